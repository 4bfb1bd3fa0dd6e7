"""Roles of the columns of a table: observed, action, covariate, category, latent, episode, time, image."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from estimation.dataset.covariate_categories import categories_of, covariate_columns_of
from estimation.dataset.readers.column_matching import quoted_names, select_columns
from estimation.dataset.readers.files import shortened
from estimation.dataset.readers.options import Categories, Names, ReadOptions
from estimation.dataset.readers.single_cell.options import AnnDataOptions
from estimation.exceptions import DataError

__all__ = [
    "HasRoles",
    "Roles",
    "assign_roles",
    "checked_texts",
    "inherit_roles",
    "roles_of",
    "roles_of_frames",
]

# default names of the columns
_DEFAULT_PATTERNS = {"observations": "x[0-9]*", "actions": "a[0-9]*", "latents": "z[0-9]*"}
_SINGLE_COLUMN_ROLES = ("episode", "time", "images")
# what is always stored
_STORED = (*_DEFAULT_PATTERNS, "categorical", *_SINGLE_COLUMN_ROLES)


@dataclass(frozen=True)
class Roles:
    """Columns of a table by their role.

    Attributes:
        observations: Observed numbers; empty if images are observed.
        actions: All actions, categorical ones included.
        categorical: Categorical actions, with their categories where these are declared.
        latents: True latents.
        episode: Column that identifies sequences, or None.
        time: Column that orders the rows of a sequence, or None.
        images: Column of image file names, or None.
        covariates: Covariates, categorical ones included. They follow from the names of the covariates, see `roles_of`,
            and are not stored here.
        covariate_categories: Categorical covariates, with their categories where these are declared.
        anndata: Which columns of AnnData and which layer were read; None for other data.
    """

    observations: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    categorical: Mapping[str, Sequence[Any] | None] = field(default_factory=dict)
    latents: tuple[str, ...] = ()
    episode: str | None = None
    time: str | None = None
    images: str | None = None
    covariates: tuple[str, ...] = ()
    covariate_categories: Mapping[str, Sequence[Any] | None] = field(default_factory=dict)
    anndata: AnnDataOptions | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns with a role."""
        single = [name for name in (self.episode, self.time, self.images) if name is not None]
        return (*self.observations, *self.actions, *self.latents, *self.covariates, *single)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary for JSON."""
        content = {name: getattr(self, name) for name in _STORED}
        content["categorical"] = {
            name: None if values is None else [str(value) for value in values]
            for name, values in self.categorical.items()
        }
        return content if self.anndata is None else {**content, "anndata": self.anndata.to_dict()}

    @classmethod
    def from_dict(cls, content: Any) -> Roles:
        """Return the roles that `to_dict` wrote.

        Raises:
            DataError: If the content is damaged.

        Example:
            >>> Roles.from_dict(Roles(("x0",), ("drug",), {"drug": ["a", "b"]}).to_dict()).categorical
            {'drug': ('a', 'b')}
        """
        if not isinstance(content, dict) or set(content) - {"anndata"} != set(_STORED):
            raise DataError(
                "the roles of the columns are damaged; they must be " + ", ".join(sorted(_STORED))
            )
        categorical = content["categorical"]
        single = {role: content[role] for role in _SINGLE_COLUMN_ROLES}
        if not isinstance(categorical, dict) or any(not isinstance(v, str | None) for v in single.values()):
            raise DataError("the roles of the columns are damaged; the name of a column must be text")
        observations, actions, latents = (checked_texts(content[role], role) for role in _DEFAULT_PATTERNS)
        categories = {
            name: None if values is None else checked_texts(values, "categorical")
            for name, values in categorical.items()
        }
        anndata = AnnDataOptions.from_dict(content["anndata"]) if "anndata" in content else None
        return cls(observations, actions, categories, latents, anndata=anndata, **single)


class HasRoles(Protocol):
    """A dataset or a trained model, with the names and roles of its columns."""

    @property
    def roles(self) -> Roles | None:
        """Roles of the columns of the table; None without a table."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of the observed columns; empty without names."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions."""

    @property
    def actions_named(self) -> bool:
        """Whether the names of the actions were given rather than generated."""

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Names of the covariates."""

    @property
    def covariate_categories(self) -> Mapping[str, tuple[str, ...]] | None:
        """Categories of the categorical covariates; None if they aren't known."""


def checked_texts(values: Any, what: str) -> tuple[str, ...]:
    """Return a list of distinct texts as a tuple.

    Raises:
        DataError: If it is anything else.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{what} is not a list of texts")
    if len(set(values)) < len(values):
        raise DataError(f"{what} holds the same text twice")
    return tuple(values)


def roles_of_frames(
    observations: Sequence[str] | None,
    actions: Sequence[str] | None,
    categories: Mapping[str, Sequence[str]],
) -> Roles | None:
    """Return the roles of the columns of data frames; None without names.

    Args:
        observations: Names of the observed columns.
        actions: Names of the actions, with one action per category.
        categories: Categories of the categorical columns.

    Example:
        >>> roles_of_frames(["x"], ["dose", "drug=a", "drug=b"], {"drug": ["a", "b"]}).actions
        ('dose', 'drug')
    """
    if not observations and not actions:
        return None
    column_of_action = {f"{name}={value}": name for name, values in categories.items() for value in values}
    columns = dict.fromkeys(column_of_action.get(name, name) for name in actions or ())
    return Roles(tuple(observations or ()), tuple(columns), dict(categories))


def roles_of(like: HasRoles) -> Roles | None:
    """Return the roles of the columns of a dataset or model: as its table was read, or by the names of its arrays.

    Returns:
        The roles; None if neither is known.
    """
    roles = like.roles
    if roles is None and like.observation_names and like.actions_named:
        roles = roles_of_frames(like.observation_names, like.action_names, {})
    if roles is None:
        return None
    columns = covariate_columns_of(like.covariate_names, like.covariate_categories)
    categories = categories_of(like.covariate_names, like.covariate_categories)
    return replace(roles, covariates=columns, covariate_categories=categories)


def assign_roles(names: Sequence[str], options: ReadOptions) -> Roles:
    """Assign a role to every requested column.

    Args:
        names: Names of the columns of a table.
        options: Options that select columns.

    Raises:
        DataError: If a pattern selects nothing, a column would have two roles, or nothing is observed.

    Example:
        >>> roles = assign_roles(["x0", "x1", "drug"], ReadOptions(categorical="drug"))
        >>> roles.observations, roles.actions
        (('x0', 'x1'), ('drug',))
    """
    declared = options.categorical if isinstance(options.categorical, Mapping) else {}
    patterns = list(declared) if declared else _as_list(options.categorical)
    categorical = select_columns(names, patterns, "categorical")
    single = {role: getattr(options, role) for role in _SINGLE_COLUMN_ROLES}
    for role, name in single.items():
        if name is not None and name not in names:
            select_columns(names, name.replace("[", "[[]"), role)
    if options.images is not None and options.observations is not None:
        raise DataError("observations and images are both given; with images, these are what is observed")
    selected = {role: _selected_or_default(names, getattr(options, role), role) for role in _DEFAULT_PATTERNS}
    if options.images is not None:
        selected["observations"] = []
    elif not selected["observations"]:
        select_columns(names, _DEFAULT_PATTERNS["observations"], "observations (name them)")
    covariates = [] if options.covariates is None else select_columns(names, options.covariates, "covariates")
    actions = [name for name in categorical if name not in covariates]
    selected["actions"] += [name for name in actions if name not in selected["actions"]]
    chosen = {role: [name] for role, name in single.items() if name is not None}
    _require_one_role_each(selected | {"covariates": covariates} | chosen)
    return Roles(
        observations=tuple(selected["observations"]),
        actions=tuple(selected["actions"]),
        categorical={name: declared.get(name) for name in actions},
        latents=tuple(selected["latents"]),
        covariates=tuple(covariates),
        covariate_categories={name: declared.get(name) for name in categorical if name in covariates},
        **single,
    )


def inherit_roles(names: Sequence[str], options: ReadOptions, roles: Roles) -> ReadOptions:
    """Fill the options that aren't given with the roles that columns of the same names had in the training table.

    An explicit option takes precedence. True latents may be missing from the table; other columns may not.

    Args:
        names: Names of the columns of the table.
        options: Options of reading it.
        roles: Roles of the columns of the training table.

    Raises:
        DataError: If a required column is missing.

    Example:
        >>> training = Roles(("x0",), ("drug",), {"drug": ("a", "b")})
        >>> inherit_roles(["drug", "x1", "x0"], ReadOptions(), training).categorical
        {'drug': ('a', 'b')}
    """
    ordered = options.episode is not None or options.time is not None
    latents = roles.latents if set(roles.latents) <= set(names) else None
    filled = replace(
        options,
        observations=None if options.images else _first(options.observations, roles.observations or None),
        actions=_first(options.actions, roles.actions),
        latents=_first(options.latents, latents),
        categorical=_inherited_categories(names, options, roles),
        episode=options.episode if ordered else roles.episode,
        time=options.time if ordered else roles.time,
        images=options.images if options.observations is not None else _first(options.images, roles.images),
        covariates=_first(options.covariates, roles.covariates),
    )
    required = [] if options.observations is not None or options.images else list(roles.observations)
    required += [] if options.actions is not None else list(roles.actions)
    required += [] if options.covariates is not None else list(roles.covariates)
    required += [] if ordered else [name for name in (roles.episode, roles.time) if name is not None]
    required += [roles.images] if filled.images == roles.images and roles.images is not None else []
    present = set(names)
    missing = [name for name in required if name not in present]
    if missing:
        raise DataError(
            f"lacks {quoted_names(missing, 'column')} of the training data; the columns are "
            f"{quoted_names(names, '', 8)}"
        )
    return filled


def _inherited_categories(names: Sequence[str], options: ReadOptions, roles: Roles) -> Categories:
    """Return the categorical columns, those of covariates included, with the categories of the training table."""
    covariates = roles.covariates
    if options.covariates is not None:
        covariates = tuple(select_columns(names, options.covariates, "covariates"))
    known = {name: values for name, values in roles.covariate_categories.items() if name in covariates}
    if isinstance(options.categorical, Mapping):
        return {**known, **options.categorical}
    patterns = _as_list(options.categorical)
    if patterns:
        columns = select_columns(names, patterns, "categorical")
    elif options.actions is not None:
        actions = set(select_columns(names, options.actions, "actions"))
        columns = [name for name in roles.categorical if name in actions]
    else:
        columns = list(roles.categorical)
    return {**{name: roles.categorical.get(name) for name in columns if name not in known}, **known}


def _first(given: Any, inherited: Any) -> Any:
    return inherited if given is None else given


def _as_list(names: Categories) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _selected_or_default(names: Sequence[str], patterns: Names | None, role: str) -> list[str]:
    if patterns is not None:
        return select_columns(names, patterns, role)
    pattern = _DEFAULT_PATTERNS[role]
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        return []
    return select_columns(names, pattern, role)


def _require_one_role_each(selected: Mapping[str, Sequence[str]]) -> None:
    role_of: dict[str, str] = {}
    for role, names in selected.items():
        for name in names:
            if name in role_of:
                raise DataError(
                    f"column {shortened(name)} is selected for {role_of[name]} and for {role}; select it once"
                )
            role_of[name] = role
