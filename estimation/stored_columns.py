"""What a saved model stores about the columns of its training data: names, roles, and centring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from estimation.dataset.centring import Centring
from estimation.dataset.checks import checked_observation_names
from estimation.dataset.covariate_categories import stored_categories
from estimation.dataset.readers.roles import HasRoles, Roles, checked_texts
from estimation.exceptions import DataError
from estimation.models.representation import Representation

__all__ = ["columns_of", "columns_record", "set_centring_"]


def columns_record(model: Representation, columns: HasRoles) -> dict[str, Any]:
    """Return what a saved model stores about the columns of its training data.

    Args:
        model: The networks, which hold the centring.
        columns: Names and roles of the columns.
    """
    categories = columns.covariate_categories
    return {
        "observation_names": list(columns.observation_names),
        "actions_named": columns.actions_named,
        "roles": None if columns.roles is None else columns.roles.to_dict(),
        "covariate_names": list(columns.covariate_names),
        "covariate_categories": None
        if categories is None
        else {column: list(known) for column, known in categories.items()},
        "centring": {
            name: None if centring is None else centring.to_dict()
            for name, centring in (("x", model.x_centring), ("a", model.a_centring))
        },
    }


def columns_of(content: Mapping[str, Any], n_observed: int) -> dict[str, Any]:
    """Return names and roles from stored content, as attributes of a model: the inverse of `columns_record`.

    Models of earlier versions store none of them.

    Args:
        content: Stored content.
        n_observed: Number of observed dimensions.

    Raises:
        DataError: If the content is damaged.
    """
    texts = checked_texts(content.get("observation_names", []), "observation_names")
    named, roles = content.get("actions_named", True), content.get("roles")
    if not isinstance(named, bool):
        raise DataError("actions_named is neither true nor false")
    return {
        "observation_names": checked_observation_names(texts, n_observed),
        "actions_named": named,
        "roles": None if roles is None else Roles.from_dict(roles),
        "covariate_names": tuple(content.get("covariate_names", ())),
        "covariate_categories": stored_categories(content.get("covariate_categories")),
    }


def set_centring_(model: Representation, content: Mapping[str, Any]) -> None:
    """Set the stored centring of a model; models of earlier versions have none.

    Args:
        model: The networks.
        content: Stored content.

    Raises:
        DataError: If the content is damaged.
    """
    stored = content.get("centring", {"x": None, "a": None})
    if not isinstance(stored, dict) or set(stored) != {"x", "a"}:
        raise DataError("the centring is damaged; it holds x and a")
    for name, count in (("x", model.shape.n_observed), ("a", model.shape.n_actions)):
        centring = None if stored[name] is None else Centring.from_dict(stored[name], count)
        setattr(model, f"{name}_centring", centring)
