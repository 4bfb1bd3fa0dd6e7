"""``mechsparse simulate``: data with a known ground truth."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estimation.commands.options import Split
from estimation.commands.sources import is_file, published_name
from identify.commands.options import AsJson, Form, print_json, say
from identify.commands.sources import CATALOGUE, complete_graph, read_one
from identify.exceptions import RequestError
from identify.names import shown

if TYPE_CHECKING:
    from estimation.dataset.dataset import Dataset
    from identify.graph import CausalGraph
    from identify.mechanisms.model import Mechanisms

__all__ = ["simulate"]

_MECHANISM_SUFFIXES = (".toml", ".py")


class Decoder(StrEnum):
    """Names of decoders, as in `estimation.simulate.simulate`."""

    mlp = "mlp"
    polynomial = "polynomial"
    balls = "balls"


class ActionDistribution(StrEnum):
    """Names of the distributions of actions, as in `estimation.simulate.simulate`."""

    uniform = "uniform"
    normal = "normal"
    interventions = "interventions"


def simulate(
    process: Annotated[
        str,
        typer.Argument(
            metavar="PROCESS",
            help="A published process, a graph of the catalogue, a graph file, or densities of the latents: a .toml or "
            ".py file (which is executed), as for 'mechsparse check --mechanisms'.",
            autocompletion=complete_graph,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DATA.npz", help="File to write.")],
    samples: Annotated[
        int, typer.Option("--samples", "-n", metavar="N", min=1, help="Number of samples.")
    ] = 10_000,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of graph, coefficients and decoder.", show_default="0")
    ] = None,
    split: Annotated[
        Split, typer.Option(help="Split; each has other samples of the same process.")
    ] = Split.train,
    published: Annotated[
        bool,
        typer.Option(
            "--published/--no-published",
            help="Data of the paper, number for number, instead of a process drawn from the seed.",
        ),
    ] = False,
    density: Annotated[
        float | None, typer.Option(help="Density of the random graph of ActionRandom and TimeRandom.")
    ] = None,
    graph_seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of that random graph.", show_default="the seed")
    ] = None,
    decoder: Annotated[
        Decoder | None, typer.Option(help="Decoder from latents to observations.", show_default="mlp")
    ] = None,
    actions: Annotated[
        ActionDistribution | None, typer.Option(help="Distribution of the actions.", show_default="uniform")
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(help="Noise of the observations, in standard deviations.", show_default="0.01"),
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=1, help="Time steps per sample.", show_default="2 with a past, else 1")
    ] = None,
    as_json: AsJson = False,
    form: Form = None,
) -> None:
    """Simulate data with a known graph, known latents and a known decoder.

    Densities of the latents may have any shape, and causes may change all of it; the graph is the one that they imply.

    \b
    Examples:
      mechsparse simulate ActionBlockDiag -n 20000 -o train.npz
      mechsparse simulate ActionBlockDiag -n 2000 --split test -o test.npz
      mechsparse simulate graph.json --seed 3 --actions interventions -o data.npz
      mechsparse simulate mechanisms.toml -n 20000 -o data.npz
      mechsparse simulate TimeRandom --published --density 0.2 --graph-seed 11 -o random.npz
    """
    options = {"seed": seed, "decoder": decoder, "actions": actions, "noise": noise, "length": length}
    densities = None if published or not _has_densities(process, form) else process
    if published:
        dataset = _published(process, samples, split, density, graph_seed, options)
    else:
        dataset = _simulated(process, form, samples, split, density, graph_seed, options)
    dataset.write(out)
    record = _record(dataset, out, split, published, None if published else seed or 0, densities)
    if as_json:
        print_json(record)
    else:
        say(*_lines(dataset, record), optional=True)


def _published(
    process: str,
    samples: int,
    split: Split,
    density: float | None,
    graph_seed: int | None,
    options: dict[str, Any],
) -> Dataset:
    from estimation.simulate.sampling import published

    for name, value in options.items():
        if value is not None:
            raise RequestError(
                f"--{name} doesn't apply with --published: these data are fixed; leave one of the two out"
            )
    return published(published_name(process) or process, samples, split.value, density, graph_seed)


def _simulated(
    process: str,
    form: str | None,
    samples: int,
    split: Split,
    density: float | None,
    graph_seed: int | None,
    options: dict[str, Any],
) -> Dataset:
    from estimation.simulate.sampling import simulate as simulate_process

    source, name = _source(process, form)
    keywords = {
        "n_steps" if name == "length" else name: value for name, value in options.items() if value is not None
    }
    dataset = simulate_process(
        source, samples, split=split.value, density=density, graph_seed=graph_seed, **keywords
    )
    return replace(dataset, name=name)


def _has_densities(process: str, form: str | None) -> bool:
    """Return whether the argument is a file of mechanisms: by its suffix, which no graph file has.

    ``--from`` names the format of a graph file, and takes precedence.
    """
    return form is None and Path(process).suffix in _MECHANISM_SUFFIXES


def _source(process: str, form: str | None) -> tuple[str | CausalGraph | Mechanisms, str]:
    """Return a published process, mechanisms, or else a graph, and its name; a file takes precedence."""
    if _has_densities(process, form):
        from identify.mechanisms.files import read_mechanisms

        return read_mechanisms(process), process
    name = None if process == "-" or Path(process).exists() else published_name(process)
    if name is not None:
        return name, name
    if process != "-" and not is_file(process):
        # the catalogue suggests similar names if the name is unknown
        process = process if process.startswith(CATALOGUE) else CATALOGUE + process
    source = read_one(process, form)
    return source.graph, source.name


def _record(
    dataset: Dataset, out: Path, split: Split, published: bool, seed: int | None, densities: str | None
) -> dict[str, Any]:
    from identify.criterion import check

    graph = dataset.graph
    assert graph is not None
    return {
        "written": str(out),
        "name": dataset.name,
        "published": published,
        "mechanisms": densities,
        "seed": seed,
        "split": split.value,
        "n_samples": dataset.n_samples,
        "n_steps": dataset.n_steps,
        "n_observed": dataset.n_observed,
        "n_latents": graph.n_latents,
        "n_actions": graph.n_actions,
        "edges": {"actions": int(graph.Ga.nnz), "past": int(graph.Gz.nnz)},
        "prediction": check(graph).headline,
    }


def _lines(dataset: Dataset, record: dict[str, Any]) -> list[str]:
    budgets = [f"--max-edges-{kind} {count}" for kind, count in record["edges"].items() if count]
    densities = record["mechanisms"]
    reading, influence = [], []
    if densities is not None:
        reading = [f"{shown(densities, 200)}: read as densities of the latents, which imply the graph"]
        influence = [f"Decide influence with: mechsparse check --mechanisms {densities}"]
    return [
        *reading,
        f"{record['written']}: {dataset!r}",
        f"Predicted: {record['prediction']}",
        *influence,
        f"Train with: mechsparse train {record['written']} -o model {' '.join(budgets)}".rstrip(),
    ]
