"""Which column of a table plays which part: observed, action, category, latent, episode, time, image."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from estimation.dataset.readers.column_matching import named
from estimation.dataset.readers.raw_data import shortened
from estimation.dataset.readers.table import choose
from estimation.exceptions import DataError

__all__ = ["Asked", "HasRoles", "Roles", "assign", "checked_texts", "recalled", "roles_in", "roles_of_frames"]

Names = str | Sequence[str]

# how the columns of a table are called when nobody says
_USUAL = {"observations": "x[0-9]*", "actions": "a[0-9]*", "latents": "z[0-9]*"}
_SINGLE = ("episode", "time", "images")


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are used for.

    Attributes:
        observations: observed numbers; empty when images are observed.
        actions: all actions, the categorical ones among them.
        categorical: the categorical ones, and their values where those are given.
        latents: true latents.
        episode: what tells sequences apart, or None.
        time: what orders their rows, or None.
        images: names of files, or None.
    """

    observations: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    categorical: Mapping[str, Sequence[Any] | None] = field(default_factory=dict)
    latents: tuple[str, ...] = ()
    episode: str | None = None
    time: str | None = None
    images: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are used."""
        single = [name for name in (self.episode, self.time, self.images) if name is not None]
        return (*self.observations, *self.actions, *self.latents, *single)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        levels = {
            name: None if values is None else [str(value) for value in values]
            for name, values in self.categorical.items()
        }
        return {**asdict(self), "categorical": levels}

    @classmethod
    def from_dict(cls, content: Any) -> Roles:
        """The inverse of `to_dict`.

        Raises:
            DataError: it isn't what `to_dict` gives.

        Example:
            >>> Roles.from_dict(Roles(("x0",), ("drug",), {"drug": ["a", "b"]}).to_dict()).categorical
            {'drug': ('a', 'b')}
        """
        known = set(cls.__dataclass_fields__)
        if not isinstance(content, dict) or set(content) != known:
            raise DataError("the parts of the columns are damaged; they are " + ", ".join(sorted(known)))
        levels, single = content["categorical"], {what: content[what] for what in _SINGLE}
        if not isinstance(levels, dict) or any(not isinstance(v, str | None) for v in single.values()):
            raise DataError("the parts of the columns are damaged; a column's name is a text")
        observations, actions, latents = (checked_texts(content[what], what) for what in _USUAL)
        values = {
            name: None if given is None else checked_texts(given, "categorical")
            for name, given in levels.items()
        }
        return cls(observations, actions, values, latents, **single)


class HasRoles(Protocol):
    """Data or a model that know which columns of a table they come from."""

    @property
    def roles(self) -> Roles | None:
        """The parts that columns played; None when there was no table."""

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of the observed columns; empty when they have none."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions."""

    @property
    def actions_named(self) -> bool:
        """Whether somebody gave the actions these names."""


@dataclass(frozen=True)
class Asked:
    """What a person says of the columns of a table; None where nothing is said.

    Attributes:
        observations: names or patterns.
        actions: the same.
        latents: the same.
        categorical: which columns are categorical actions, or their values by column.
        episode: the column that tells sequences apart.
        time: the column that orders them.
        images: the column of file names.
    """

    observations: Names | None = None
    actions: Names | None = None
    latents: Names | None = None
    categorical: Names | Mapping[str, Sequence[Any] | None] = ()
    episode: str | None = None
    time: str | None = None
    images: str | None = None


def checked_texts(values: Any, what: str) -> tuple[str, ...]:
    """A list of different texts, as a tuple.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise DataError(f"{what} is no list of texts")
    if len(set(values)) < len(values):
        raise DataError(f"{what} holds a text twice")
    return tuple(values)


def roles_of_frames(
    observations: Sequence[str] | None, actions: Sequence[str] | None, levels: Mapping[str, Sequence[str]]
) -> Roles | None:
    """The parts that columns of data frames play, of names with one action per value; None without names.

    Example:
        >>> roles_of_frames(["x"], ["dose", "drug=a", "drug=b"], {"drug": ["a", "b"]}).actions
        ('dose', 'drug')
    """
    if not observations and not actions:
        return None
    parts = {f"{name}={value}": name for name, values in levels.items() for value in values}
    columns = dict.fromkeys(parts.get(name, name) for name in actions or ())
    return Roles(tuple(observations or ()), tuple(columns), dict(levels))


def roles_in(like: HasRoles) -> Roles | None:
    """The parts that columns of a table play for data or a model: as they were read, or by the names of arrays.

    None where neither is known.
    """
    if like.roles is not None or not like.observation_names or not like.actions_named:
        return like.roles
    return roles_of_frames(like.observation_names, like.action_names, {})


def assign(names: Sequence[str], asked: Asked) -> Roles:
    """Give every column that is asked for its part.

    Raises:
        DataError: a pattern selects nothing, a column would play two parts, or nothing is observed.

    Example:
        >>> roles = assign(["x0", "x1", "drug"], Asked(categorical="drug"))
        >>> roles.observations, roles.actions
        (('x0', 'x1'), ('drug',))
    """
    given = asked.categorical if isinstance(asked.categorical, Mapping) else {}
    categories = choose(names, list(given) if given else _listed(asked.categorical), "categorical")
    single = {what: getattr(asked, what) for what in _SINGLE}
    for what, name in single.items():
        if name is not None and name not in names:
            choose(names, name.replace("[", "[[]"), what)
    if asked.images is not None and asked.observations is not None:
        raise DataError("observations and images are both given; images are what is observed")
    found = {what: _found(names, getattr(asked, what), what) for what in _USUAL}
    if asked.images is not None:
        found["observations"] = []
    elif not found["observations"]:
        choose(names, _USUAL["observations"], "observations (name them)")
    found["actions"] += [name for name in categories if name not in found["actions"]]
    _require_one_part_each(found | {what: [name] for what, name in single.items() if name is not None})
    return Roles(
        observations=tuple(found["observations"]),
        actions=tuple(found["actions"]),
        categorical={name: given.get(name) for name in categories},
        latents=tuple(found["latents"]),
        **single,
    )


def recalled(names: Sequence[str], asked: Asked, roles: Roles) -> Asked:
    """What is asked of another table, filled up with the parts that columns of these names played before.

    A column that is asked for keeps what is asked. True latents may be missing; the others may not.

    Args:
        names: of the columns of the other table.
        asked: what a person says of it.
        roles: of the table before.

    Raises:
        DataError: a column that is needed is missing.

    Example:
        >>> before = Roles(("x0",), ("drug",), {"drug": ("a", "b")})
        >>> recalled(["drug", "x1", "x0"], Asked(), before).categorical
        {'drug': ('a', 'b')}
    """
    ordered = asked.episode is not None or asked.time is not None
    filled = Asked(
        observations=None if asked.images else _first(asked.observations, roles.observations or None),
        actions=_first(asked.actions, roles.actions),
        latents=_first(asked.latents, roles.latents if set(roles.latents) <= set(names) else None),
        categorical=_levels(names, asked, roles),
        episode=asked.episode if ordered else roles.episode,
        time=asked.time if ordered else roles.time,
        images=asked.images if asked.observations is not None else _first(asked.images, roles.images),
    )
    wanted = [] if asked.observations is not None or asked.images else list(roles.observations)
    wanted += [] if asked.actions is not None else list(roles.actions)
    wanted += [] if ordered else [name for name in (roles.episode, roles.time) if name is not None]
    wanted += [roles.images] if filled.images == roles.images and roles.images is not None else []
    there = set(names)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise DataError(
            f"lacks {named(missing, 'column')} of the training data; there are {named(names, '', 8)}"
        )
    return filled


def _levels(names: Sequence[str], asked: Asked, roles: Roles) -> Names | Mapping[str, Sequence[Any] | None]:
    """The categorical columns with the values that they had before."""
    if isinstance(asked.categorical, Mapping):
        return asked.categorical
    patterns = _listed(asked.categorical)
    if patterns:
        columns = choose(names, patterns, "categorical")
    elif asked.actions is not None:
        chosen = choose(names, asked.actions, "actions")
        columns = [name for name in roles.categorical if name in set(chosen)]
    else:
        columns = list(roles.categorical)
    return {name: roles.categorical.get(name) for name in columns}


def _first(asked: Any, before: Any) -> Any:
    return before if asked is None else asked


def _listed(names: Names | Mapping[str, Sequence[Any] | None]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _found(names: Sequence[str], patterns: Names | None, what: str) -> list[str]:
    if patterns is not None:
        return choose(names, patterns, what)
    usual = _USUAL[what]
    return choose(names, usual, what) if any(fnmatch.fnmatchcase(name, usual) for name in names) else []


def _require_one_part_each(found: Mapping[str, Sequence[str]]) -> None:
    taken: dict[str, str] = {}
    for what, names in found.items():
        for name in names:
            if name in taken:
                raise DataError(
                    f"column {shortened(name)} is chosen for {taken[name]} and for {what}; choose it once"
                )
            taken[name] = what
