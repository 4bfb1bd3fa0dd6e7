"""Loading of saved models. The whole description is checked before any part of it is used."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from estimation.config.baselines import BaselineConfig
from estimation.config.methods import METHODS, config_type
from estimation.config.size import weight_count
from estimation.config.training import SPARSE_VAE, TrainingConfig
from estimation.device import default_modes
from estimation.diagnostics.result import DIAGNOSTICS, Diagnostics
from estimation.exceptions import CheckpointError, ConfigError, DataError
from estimation.history import HISTORY, History
from estimation.methods import build_model, with_current_names
from estimation.models.convolutional import rebuild
from estimation.models.masks import MASK_STATES
from estimation.models.representation import Representation, Shape
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.latent_marginals import LATENT_MARGINALS, LatentMarginals
from estimation.prediction.records import action_edges
from estimation.prediction.seen_actions import SEEN_ACTIONS, SeenActions
from estimation.storage.folders import load_state, read_folder
from estimation.storage.schema import Fields, Flag, Many, Maybe, Real, Text, Whole
from estimation.stored_columns import columns_of, set_centring_
from estimation.trained import KIND, TrainedModel
from identify.exceptions import GraphError
from identify.wording import plural

__all__ = ["load"]

_OPTIONS = Fields(
    {
        "image_shape": Many(Whole(1), length=3),
        "n_latents": Whole(1),
        "seed": Whole(0, 2**63 - 1),
        "width": Whole(1),
    },
    {"n_covariates": Whole(1)},
)
_NETWORK = Maybe(Fields({"name": Text(), "options": _OPTIONS}))
_CENTRING = Maybe(Fields({"shift": Many(Real()), "unit": Many(Real())}))
_MODEL = Fields(
    {
        "config": Fields({}),
        "shape": Fields(
            {
                "n_observed": Whole(1),
                "n_latents": Whole(1, 10_000),
                "n_actions": Whole(0),
                "past": Flag(),
            },
            {"n_covariates": Whole(0)},
            closed=True,
        ),
        "history": HISTORY,
        "action_names": Many(Text(), distinct=True),
        "observation_shape": Maybe(Many(Whole(1), length=3)),
    },
    {
        "method": Text(METHODS),
        "networks": Fields({}, {"encoder": _NETWORK, "decoder": _NETWORK}),
        "data_fingerprint": Maybe(Text()),
        "diagnostics": Maybe(DIAGNOSTICS),
        "seen_actions": Maybe(SEEN_ACTIONS),
        "latent_marginals": Maybe(LATENT_MARGINALS),
        "covariate_names": Many(Text(), distinct=True),
        "centring": Fields({"x": _CENTRING, "a": _CENTRING}),
    },
)


@default_modes
def load(
    folder: str | os.PathLike[str],
    device: str = "cpu",
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
) -> TrainedModel:
    """Load a trained model of any method from its folder. A model saved on a GPU can be loaded on a CPU.

    Args:
        folder: Folder that was given to `TrainedModel.save`.
        device: Device of the model.
        encoder: Module of the same architecture as the trained encoder, if that was user-supplied. The networks of
            `estimation.models.convolutional` are rebuilt from the folder.
        decoder: The same for the decoder.

    Raises:
        CheckpointError: If the folder is missing, damaged, of another program or version, or if it needs user-supplied
            modules.
    """
    content, stored = read_folder(folder, KIND, _MODEL)
    tensors = with_current_names(stored)
    try:
        config, shape = _config(content), Shape(**content["shape"])
        names = columns_of(content, shape.n_observed)
        _require_fit(content, shape, tensors)
        networks = content.get("networks", {})
        encoder = _rebuilt("encoder", networks, shape, tensors) if encoder is None else encoder
        decoder = _rebuilt("decoder", networks, shape, tensors) if decoder is None else decoder
        _require_enough(config, shape, encoder, decoder, tensors)
    except (ConfigError, CheckpointError, DataError) as error:
        raise CheckpointError(f"{folder}: is damaged ({error})") from error
    model = build_model(shape, config, torch.Generator().manual_seed(config.seed), encoder, decoder)
    try:
        set_centring_(model, content)
    except DataError as error:
        raise CheckpointError(f"{folder}: is damaged ({error})") from error
    model.to(device, getattr(torch, config.dtype)).eval()
    load_state(model, tensors, f"{folder}")
    try:
        seen, marginals = _prediction_records(content, model)
    except DataError as error:
        raise CheckpointError(f"{folder}: is damaged ({error})") from error
    image = content["observation_shape"]
    trained = TrainedModel(
        model,
        config,
        History.from_dict(content["history"]),
        tuple(content["action_names"]),
        None if image is None else tuple(image),
        data_fingerprint=content.get("data_fingerprint"),
        diagnostics=None
        if content.get("diagnostics") is None
        else Diagnostics.from_dict(content["diagnostics"]),
        seen_actions=seen,
        latent_marginals=marginals,
        **names,
    )
    _require_sound(trained, f"{folder}")
    if isinstance(model, SparseVAE) and isinstance(config, TrainingConfig):
        model.set_sparse_columns_(trained.sparse_columns.positions(trained.action_names), config.sparse_past)
    return trained


def _config(content: dict[str, Any]) -> TrainingConfig | BaselineConfig:
    # versions without baselines stored no method
    return config_type(content.get("method", SPARSE_VAE)).from_dict(content["config"])


def _prediction_records(
    content: dict[str, Any], model: Representation
) -> tuple[SeenActions | None, LatentMarginals | None]:
    """Return what a model stores for predictions; models of earlier versions store none of it."""
    seen, marginals = content.get("seen_actions"), content.get("latent_marginals")
    if not isinstance(model, SparseVAE):
        return None, None
    return (
        None if seen is None else SeenActions.from_dict(seen, action_edges(model)),
        None if marginals is None else LatentMarginals.from_dict(marginals, model.shape.n_latents),
    )


def _require_fit(content: dict[str, Any], shape: Shape, tensors: Mapping[str, Tensor]) -> None:
    """Check the sizes in the description against each other and against the tensors."""
    names, image = content["action_names"], content["observation_shape"]
    if len(names) != shape.n_actions:
        raise CheckpointError(f"action_names are {len(names)}, and shape.n_actions is {shape.n_actions}")
    covariates = content.get("covariate_names", ())
    if len(covariates) != shape.n_covariates:
        raise CheckpointError(
            f"covariate_names are {len(covariates)}, and shape.n_covariates is {shape.n_covariates}"
        )
    if image is not None and math.prod(image) != shape.n_observed:
        raise CheckpointError(f"observation_shape is {image}, and shape.n_observed is {shape.n_observed}")
    n = shape.n_latents
    _require_confidence_fits(content.get("diagnostics"), shape)
    sizes = {
        "x_mean": (shape.n_observed,),
        "x_scale": (shape.n_observed,),
        "a_mean": (shape.n_actions,),
        "a_scale": (shape.n_actions,),
        **({"c_mean": (shape.n_covariates,), "c_scale": (shape.n_covariates,)} if shape.n_covariates else {}),
        # tensors of some methods only
        **{
            name: (n, n)
            for name in ("posterior_noise.frame", "rotation", "rotation_inverse")
            if name in tensors
        },
    }
    for name, size in sizes.items():
        if name not in tensors or tuple(tensors[name].shape) != size:
            state = f"has shape {tuple(tensors[name].shape)}" if name in tensors else "is missing"
            raise CheckpointError(f"the tensor {name!r} {state}; by the description it has {size}")
    for name in ("x_scale", "a_scale", "c_scale", "counts.input_scale", "counts.share", "counts.median_size"):
        if name in tensors and not bool((tensors[name] > 0).all()):
            raise CheckpointError(f"the tensor {name!r} holds a scale that is not positive")


def _require_confidence_fits(diagnostics: Mapping[str, Any] | None, shape: Shape) -> None:
    """Check the sizes of the confidence in edges and in latents."""
    n, causes = shape.n_latents, {"actions": shape.n_actions, "past": shape.n_latents}
    for kind, rows in ((diagnostics or {}).get("edge_confidence") or {}).items():
        width = next((len(row) for row in rows if len(row) != causes[kind]), causes[kind])
        if len(rows) != n or width != causes[kind]:
            raise CheckpointError(
                f"diagnostics.edge_confidence.{kind} has {plural(len(rows), 'row')} of {width}; by its shape the model "
                f"has {n} of {causes[kind]}"
            )
    of_latents = (diagnostics or {}).get("latent_confidence")
    if of_latents is not None and len(of_latents) != n:
        raise CheckpointError(
            f"diagnostics.latent_confidence has {plural(len(of_latents), 'entry')}; by its shape the model "
            f"has {plural(n, 'latent')}"
        )


def _rebuilt(
    name: str, networks: dict[str, Any], shape: Shape, tensors: Mapping[str, Tensor]
) -> nn.Module | None:
    """Rebuild a convolutional network from its description, if there is one; never larger than the tensors allow."""
    description = networks.get(name)
    if description is None:
        return None
    options = description["options"]
    d_c = options.get("n_covariates", 0)
    sizes = (math.prod(options["image_shape"]), options["n_latents"], d_c)
    # a decoder gets covariates behind the latents
    of_model = (shape.n_observed, shape.n_latents, shape.n_covariates)
    of_decoder = (shape.n_observed, shape.n_latents + shape.n_covariates, 0)
    if sizes != (of_decoder if name == "decoder" else of_model):
        raise CheckpointError(f"networks.{name} is of other sizes than the model")
    # a lower bound: the weights of its hidden layer
    if 8 * options["width"] ** 2 > _total(tensors):
        raise CheckpointError(
            f"networks.{name}.options.width is {options['width']}, more than the tensors have"
        )
    return rebuild(description)


def _require_enough(
    config: TrainingConfig | BaselineConfig,
    shape: Shape,
    encoder: nn.Module | None,
    decoder: nn.Module | None,
    tensors: Mapping[str, Tensor],
) -> None:
    """Refuse tensors with fewer numbers than the model has weights, before memory is allocated for it."""
    needed = weight_count(
        config.to_dict(),
        shape.n_observed,
        shape.n_latents,
        shape.n_actions + (shape.n_latents if shape.past else 0),
        encoder is not None,
        decoder is not None,
    )
    if needed > (stored := _total(tensors)):
        raise CheckpointError(
            f"by its settings the model has {needed} weights or more, and the file has {stored} numbers; if it has "
            "networks of your own: give the encoder and decoder it was trained with"
        )


def _total(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


def _require_sound(trained: TrainedModel, where: str) -> None:
    """Check values that the types and the finiteness of tensors do not rule out."""
    model, config = trained.model, trained.config
    for name, masks in model.edges.items():
        if int(masks.state) not in MASK_STATES:
            raise CheckpointError(
                f"{where}: is damaged (the masks of {name} are in state {int(masks.state)})"
            )
    if isinstance(model, SparseVAE) and isinstance(config, TrainingConfig):
        steps = int(model.refinement.steps)
        if not 0 <= steps <= config.refinements:
            raise CheckpointError(
                f"{where}: is damaged (refinement.steps is {steps}; by the settings at most {config.refinements})"
            )
    try:
        _ = trained.graph, trained.sparse_columns
    except (ConfigError, GraphError) as error:
        raise CheckpointError(f"{where}: is damaged ({error})") from error
