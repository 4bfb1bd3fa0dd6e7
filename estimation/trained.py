"""`TrainedModel`: the result of training. It encodes, decodes, and holds the learned graph."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from estimation.config.baselines import BaselineConfig
from estimation.config.sparse_columns import SparseColumns
from estimation.config.training import COUNT_LIKELIHOODS, TrainingConfig
from estimation.dataset.alignment import align, align_observed
from estimation.dataset.centring import undone
from estimation.dataset.counts import require_count_rows, require_counts
from estimation.dataset.covariates import repeated_covariates
from estimation.dataset.dataset import Dataset
from estimation.dataset.readers.arrays import matched_numbers
from estimation.dataset.readers.roles import Roles
from estimation.device import default_modes
from estimation.diagnostics.result import Diagnostics, Margin, RunWarning
from estimation.diagnostics.uncertain_edges import edge_attributes
from estimation.exceptions import DataError
from estimation.history import History
from estimation.models.chunks import NOT_FINITE, map_rows, solvable
from estimation.models.convolutional import describe
from estimation.models.held_out import held_out_terms
from estimation.models.representation import Representation
from estimation.models.sparse_vae import SparseVAE
from estimation.prediction.latent_marginals import LatentMarginals
from estimation.prediction.methods import PredictionMethods
from estimation.prediction.records import latent_marginals, seen_actions
from estimation.prediction.seen_actions import SeenActions
from estimation.storage.folders import write_folder
from estimation.stored_columns import columns_record
from identify.formats.structured import graph_json
from identify.graph import CausalGraph
from identify.markup import card, paragraph

__all__ = ["GRAPH", "KIND", "TrainedModel"]

KIND = "mechsparse model"

#: The file of the learned graph in the folder of a saved model.
GRAPH = "graph.json"

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel(PredictionMethods):
    """A trained model with its settings and its history: a `SparseVAE`, or a baseline, which has no graph.

    Attributes:
        model: The torch module, in evaluation mode.
        config: Settings of the training run.
        history: Records and notes of the training run.
        action_names: Names of the m actions.
        observation_shape: Shape (C, H, W) if observations are flattened images, or None.
        observation_names: Names of the d_x columns; empty if the training data had none.
        actions_named: Whether the training data named the actions; otherwise actions are matched by position.
        roles: Columns of the table that the training data were read from, or None.
        data_fingerprint: Digest of the training data, as `estimation.dataset.fingerprint.fingerprint` gives it; None
            for models of versions that did not store it.
        diagnostics: Margin of the basis and warnings, from held-out rows; None for a baseline, for a run of fewer than
            200 steps, and for models of versions that had none.
        seen_actions: The actions of the training data, as far as a prediction needs them; None for a baseline, for a
            model without actions, and for models of versions that did not store them.
        latent_marginals: The distribution of the latents over the training data; None for a baseline, and for models
            of versions that did not store it.
        covariate_names: Names of the d_c covariates, which encoder and decoder get.
        covariate_categories: Categories of each categorical covariate; None if an earlier version didn't store them.
    """

    model: Representation
    config: TrainingConfig | BaselineConfig
    history: History
    action_names: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] | None = None
    observation_names: tuple[str, ...] = ()
    roles: Roles | None = None
    actions_named: bool = True
    data_fingerprint: str | None = None
    diagnostics: Diagnostics | None = None
    seen_actions: SeenActions | None = None
    latent_marginals: LatentMarginals | None = None
    covariate_names: tuple[str, ...] = ()
    covariate_categories: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(
        cls,
        model: Representation,
        config: TrainingConfig | BaselineConfig,
        history: History,
        dataset: Dataset,
        data_fingerprint: str | None = None,
        diagnostics: Diagnostics | None = None,
    ) -> TrainedModel:
        """Return the model that was trained on a dataset, with the names of the dataset."""
        return cls(
            model.eval(),
            config,
            history,
            dataset.action_names,
            dataset.observation_shape,
            dataset.observation_names,
            dataset.roles,
            dataset.actions_named,
            data_fingerprint,
            diagnostics,
            seen_actions(model, dataset.actions),
            latent_marginals(model, dataset),
            dataset.covariate_names,
            dataset.covariate_categories,
        )

    @property
    def n_observed(self) -> int:
        """Number of observed dimensions d_x."""
        return self.model.shape.n_observed

    def encode(
        self, observations: ArrayLike, covariates: ArrayLike | Mapping[str, Any] | None = None
    ) -> Array:
        """Encode observations as posterior means of the latents.

        Args:
            observations: Shape (N, T, d_x) or (N, d_x), in the units of the training data. Columns of a data frame are
                matched by name, if the training data had names. NaN entries are missing; a baseline needs all of them.
            covariates: Shape (N, d_c), or (1, d_c) for all rows, for a model that was trained with covariates.

        Returns:
            The latents, shape (N, T, n) or (N, n).

        Raises:
            DataError: If the number of observed dimensions differs, an entry is infinite, or the covariates are not
                those of the training data.
        """
        given = self._requested_covariates(covariates)
        return self._map(observations, self.model.shape.n_observed, "observations", self._encode, given)

    def encode_dataset(self, dataset: Dataset) -> Array:
        """Encode the observations of a dataset with its covariates, both matched by name, shape (N, T, n).

        Raises:
            DataError: If a column is missing, or as for `encode`.
        """
        aligned = align_observed(dataset, self)
        return self.encode(aligned.observations, aligned.covariates)

    def decode(self, latents: ArrayLike, covariates: ArrayLike | Mapping[str, Any] | None = None) -> Array:
        """Decode latents to mean observations, or medians where observations are transformed (`TrainingConfig`).

        Args:
            latents: Shape (N, T, n) or (N, n).
            covariates: As for `encode`.

        Returns:
            Shape (N, T, d_x) or (N, d_x), in the units of the training data; float64 where float32 would lose digits,
            or columns are transformed. Counts are those of a row of median size.

        Raises:
            DataError: If the number of latents differs, an entry is not finite, or the model has no decoder.
        """
        given = self._requested_covariates(covariates)
        observations = self._map(latents, self.model.shape.n_latents, "latents", self._decode, given)
        return undone(observations, self.model.x_centring)

    @property
    def edge_probabilities(self) -> dict[str, NDArray[np.float64]]:
        """The probability of each edge, by ``"past"`` and ``"actions"``; rows are children."""
        return {
            name: masks.probabilities().detach().double().cpu().numpy()
            for name, masks in self.model.edges.items()
        }

    @property
    def graph(self) -> CausalGraph:
        """The learned graph: edges that are more likely than not. Learned latents are called v0, v1, ...

        Dense columns (see `sparse_columns`) have all their edges, which separate no latents. The graph of a baseline
        is empty, and predicts nothing.
        """
        matrices = {name: matrix > 0.5 for name, matrix in self.edge_probabilities.items()}
        names = [f"v{i}" for i in range(self.model.shape.n_latents)]
        actions = list(self.action_names) if "actions" in matrices else None
        return CausalGraph(
            Gz=matrices.get("past"), Ga=matrices.get("actions"), latents=names, actions=actions
        )

    @property
    def sparse_columns(self) -> SparseColumns:
        """The columns of the graph that are sparse, and those that are dense by the settings, so not learned."""
        if isinstance(self.config, BaselineConfig):
            return SparseColumns()
        return self.config.sparse_columns(self.action_names, self.model.shape.past)

    @property
    def sparse_graph(self) -> CausalGraph:
        """The learned graph without the edges in dense columns, which were not learned."""
        return self.sparse_columns.part_of(self.graph)

    @property
    def sparse_actions(self) -> tuple[str, ...]:
        """Names of the actions whose columns of G^a were learned; the others have all their edges in `graph`."""
        return self.sparse_columns.actions

    @property
    def average_covariates(self) -> Array | None:
        """Averages of the covariates over the training data, shape (1, d_c); None for a model without covariates."""
        return self.model.c_mean[None].cpu().numpy() if self.covariate_names else None

    @property
    def method(self) -> str:
        """``"sparse_vae"``, or the name of the baseline."""
        return self.config.method

    @property
    def margin(self) -> Margin | None:
        """How much sparser and likelier the basis is than the best other one; None if it was not examined."""
        return None if self.diagnostics is None else self.diagnostics.margin

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Reasons to doubt the run, found without ground truth."""
        return () if self.diagnostics is None else self.diagnostics.warnings

    @property
    def edge_confidence(self) -> dict[str, NDArray[np.float64]] | None:
        """The probability that the true graph has each edge, by ``"actions"`` and ``"past"``; rows are children.

        nan in dense columns and for collapsed latents; None for a run that was not examined.
        """
        stored = None if self.diagnostics is None else self.diagnostics.edge_confidence
        return (
            None if stored is None else {kind: np.array(rows, dtype=float) for kind, rows in stored.items()}
        )

    @property
    def latent_confidence(self) -> NDArray[np.float64] | None:
        """The probability that each latent depends on no other true latents than the learned graph allows, shape (n,).

        nan for collapsed latents; None for a run that was not examined, or whose basis was not compared with others.
        """
        stored = None if self.diagnostics is None else self.diagnostics.latent_confidence
        return None if stored is None else np.array(stored, dtype=float)

    def require_graph(self, name: str) -> None:
        """Refuse a baseline where a prediction from the learned graph is needed.

        Args:
            name: Name of the model in the error message.

        Raises:
            DataError: If the method learns no graph.
        """
        if not self.model.edges:
            raise DataError(
                f"{name} is a model of {self.method}, which learns no graph: the theory predicts nothing about it"
            )

    def negative_elbo(self, dataset: Dataset, seed: int = 0) -> dict[str, float] | None:
        """Evaluate the negative ELBO on a dataset, per observed dimension.

        Args:
            dataset: Data of the same kind as the training data.
            seed: Seed of the posterior samples.

        Returns:
            ``total``, ``reconstruction`` and ``divergence``; None for a method without an ELBO.

        Raises:
            DataError: If the result is not finite.
        """
        if not self.model.has_bound:
            return None
        aligned = align(dataset, self).pairs()
        require_counts(aligned, self.config.likelihood)
        with solvable():
            terms = held_out_terms(self.model, aligned, seed)
        if not math.isfinite(terms["total"]):
            raise DataError(f"the negative ELBO is {terms['total']}; {NOT_FINITE}")
        return terms

    def save(self, folder: str | os.PathLike[str], announced: tuple[str, ...] = ()) -> None:
        """Write the model into a folder as safetensors and JSON; `estimation.checkpoint.load` reads it.

        If the method learns a graph, the graph is also written as ``graph.json``, for the commands on graphs. The files
        of an earlier model in the folder are removed; other files are kept.

        Args:
            folder: Folder, created if missing.
            announced: Names of files that will be written into the folder later, such as a report; they are removed
                together with the model when another one replaces it.

        Raises:
            FileAccessError: If the folder can't be written.
        """
        content = {
            "method": self.method,
            "config": self.config.to_dict(),
            "shape": asdict(self.model.shape),
            "history": self.history.to_dict(),
            "action_names": list(self.action_names),
            "observation_shape": self.observation_shape,
            "data_fingerprint": self.data_fingerprint,
            "diagnostics": None if self.diagnostics is None else self.diagnostics.to_dict(),
            "seen_actions": None if self.seen_actions is None else self.seen_actions.to_dict(),
            "latent_marginals": None if self.latent_marginals is None else self.latent_marginals.to_dict(),
            **columns_record(self.model, self),
            "networks": {
                name: describe(getattr(self.model, name))
                for name in ("encoder", "decoder")
                if hasattr(self.model, name)
            },
        }
        metadata = {} if self.sparse_columns.complete else self.sparse_columns.to_dict()
        if self.diagnostics is not None and self.diagnostics.edge_confidence is not None:
            metadata["edge_confidence"] = edge_attributes(self.graph, self.diagnostics.edge_confidence)
        if self.diagnostics is not None and (confidence := self.diagnostics.latent_confidence) is not None:
            metadata["latent_confidence"] = dict(zip(self.graph.latents, confidence, strict=True))
        companions = {GRAPH: graph_json(self.graph, metadata)} if self.model.edges else {}
        write_folder(folder, KIND, content, self.model.state_dict(), companions, announced)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, with the model on the CPU, so that machines without a GPU can read it."""
        if self.model.x_mean.device.type == "cpu":
            return self.__dict__
        return {**self.__dict__, "model": copy.deepcopy(self.model).cpu()}

    def __copy__(self) -> Self:
        return self._copied_with(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # copies stay on the same device
        return self._copied_with({name: copy.deepcopy(value, memo) for name, value in self.__dict__.items()})

    def _copied_with(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(state)
        return copied

    def __repr__(self) -> str:
        shape = self.model.shape
        parts = [f"{shape.n_observed} observed", f"{shape.n_latents} latents"]
        parts += [f"{shape.n_actions} actions"] * bool(shape.n_actions)
        parts += ["a past"] * shape.past
        parts += [f"{self.sparse_graph.n_edges} edges" if self.model.edges else self.method]
        parts += [f"{self.sparse_columns}"] * (not self.sparse_columns.complete)
        return f"TrainedModel({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Return the model for notebooks: whether there is a reason to doubt it, and the learned graph."""
        unexamined, no_graph = paragraph("This run was not examined."), paragraph("It learns no graph.")
        judged = unexamined if self.diagnostics is None else self.diagnostics._repr_html_()
        return card(repr(self), judged, self.sparse_graph._repr_html_() if self.model.edges else no_graph)

    def _encode(self, values: Tensor, covariates: Tensor | None) -> Tensor:
        return self.model.mean_latents(self.model.inputs(values, covariates))

    def _decode(self, values: Tensor, covariates: Tensor | None) -> Tensor:
        if covariates is not None:
            covariates = (covariates - self.model.c_mean) / self.model.c_scale
        return self.model.mean_observations(values, covariates) * self.model.x_scale + self.model.x_mean

    @default_modes
    @torch.no_grad()
    def _map(
        self, values: ArrayLike, width: int, what: str, function: Any, covariates: Array | None
    ) -> NDArray[np.float32]:
        centring = self.model.x_centring if what == "observations" else None
        names = self.observation_names if what == "observations" else self.graph.latents
        allow_missing = what == "observations"
        array = matched_numbers(values, names, width, what, allow_missing).astype(
            np.float32 if centring is None else np.float64, copy=False
        )
        if array.ndim not in (2, 3) or array.shape[-1] != width:
            raise DataError(
                f"{what} have shape {array.shape}; this model needs (N, T, {width}) or (N, {width})"
            )
        missing = what == "observations" and isinstance(self.model, SparseVAE)
        if np.isinf(array).any() or (not missing and np.isnan(array).any()):
            raise DataError(f"{what} hold an entry that is not finite; remove or fill it first")
        if missing and self.config.likelihood in COUNT_LIKELIHOODS:
            require_count_rows(array, self.observation_names, self.config.likelihood)
        flat, like = array.reshape(-1, width), self.model.x_mean
        if covariates is not None:
            covariates = repeated_covariates(covariates, len(array), len(flat) // max(len(array), 1), what)
        result = map_rows(function, flat, covariates, centring, like)
        if not np.isfinite(result).all():
            raise DataError(f"the model maps these {what} to numbers that are not finite; {NOT_FINITE}")
        return result.reshape(*array.shape[:-1], result.shape[-1])
