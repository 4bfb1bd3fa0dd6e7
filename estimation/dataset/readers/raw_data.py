"""`RawData`: the arrays and names of a dataset before they are checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from estimation.dataset.readers.roles import Roles
from identify.graph import CausalGraph

__all__ = ["RawData"]


@dataclass(frozen=True, eq=False)
class RawData:
    """Unchecked content of a dataset, from a file or from arrays.

    `estimation.dataset.Dataset` has the same attributes, except for ``allow_constant``, and checks them.

    Attributes:
        observations: Observations x, shape (N, T, d_x) or (N, d_x).
        actions: Actions a, or None.
        latents: True z, or None.
        graph: True graph, or None.
        decoder: True decoder, or None.
        action_names: One name per column of the actions, or None for default names.
        actions_named: Whether these names were given rather than generated.
        observation_names: One name per observed column; empty without names.
        roles: Roles of the columns of the table that the data were read from, or None.
        observation_shape: Shape (C, H, W) of images, or None.
        name: Name of the data.
        episodes: Episode of each row, shape (N,), or None.
        notes: Remarks for the user.
        covariates: Covariates, shape (N, d_c), or None.
        covariate_names: Names of the covariates, or None for default names.
        covariate_categories: Categories of the covariates that are known to be categorical, by column, or None.
        allow_constant: Whether columns may be constant. True for a file that a dataset wrote, whose constant columns
            were accepted before.
    """

    observations: Any
    actions: Any = None
    latents: Any = None
    graph: CausalGraph | None = None
    decoder: Callable[..., Any] | None = None
    action_names: tuple[str, ...] | None = None
    observation_shape: tuple[int, ...] | None = None
    name: str = ""
    episodes: Any = None
    notes: tuple[str, ...] = ()
    actions_named: bool = True
    observation_names: tuple[str, ...] = ()
    roles: Roles | None = None
    covariates: Any = None
    covariate_names: tuple[str, ...] | None = None
    covariate_categories: Mapping[str, tuple[str, ...]] | None = None
    allow_constant: bool = False
