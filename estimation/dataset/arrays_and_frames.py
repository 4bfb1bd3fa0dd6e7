"""Arrays, labelled arrays and data frames that a user gives, as raw data, with the names and categories they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from estimation.dataset.covariates import covariate_columns, covariate_notes
from estimation.dataset.readers.frames import frame_actions, frame_names, is_frame
from estimation.dataset.readers.labelled_arrays import column_labels, without_labels
from estimation.dataset.readers.raw_data import RawData
from estimation.dataset.readers.roles import roles_of_frames

__all__ = ["raw_data_of"]


def raw_data_of(
    observations: Any,
    actions: Any,
    covariates: Any,
    *,
    action_names: Sequence[str] | None,
    observation_names: Sequence[str] | None,
    covariate_names: Sequence[str] | None,
    observation_shape: Sequence[int] | None,
    notes: Sequence[str],
    **others: Any,
) -> RawData:
    """Return raw data of arrays or data frames. A column of text becomes one column per category.

    Args:
        observations: Array, labelled array or data frame.
        actions: Array, labelled array, data frame or None.
        covariates: Array, labelled array, data frame or None.
        action_names: Names of the actions, which take precedence over those of the frame.
        observation_names: Names of the observed columns, likewise.
        covariate_names: Names of the covariates, likewise.
        observation_shape: Shape of images, or None.
        notes: Remarks for the user.
        others: Further attributes of `RawData`.

    Raises:
        DataError: If a frame holds cells that are neither numbers nor text.

    Example:
        >>> import pandas
        >>> drugs = pandas.DataFrame({"drug": ["a", "b"]})
        >>> names = dict.fromkeys(["action_names", "observation_names", "covariate_names", "observation_shape"])
        >>> raw_data_of([[0.0], [1.0]], drugs, None, **names, notes=()).action_names
        ('drug=a', 'drug=b')
    """
    frame_action_names: tuple[str, ...] | None = None
    categories: dict[str, tuple[str, ...]] = {}
    given_observation_names, given_action_names = (
        None if names is None else tuple(names) for names in (observation_names, action_names)
    )
    observation_names = given_observation_names or column_labels(observations, "observations")
    action_names = given_action_names or column_labels(actions, "actions")
    observations, actions = without_labels(observations), without_labels(actions)
    if is_frame(observations):
        observation_names = observation_names or frame_names(observations, "observations")
    if is_frame(actions):
        # a column of text has other names than the action that it gives for each category
        action_names = given_action_names
        actions, frame_action_names, categories = frame_actions(actions, "actions")
    notes = [*notes, *covariate_notes(covariates)]
    covariates, covariate_names, covariate_categories = covariate_columns(covariates, covariate_names)
    return RawData(
        observations,
        actions=actions,
        action_names=frame_action_names if action_names is None else tuple(action_names),
        observation_shape=None if observation_shape is None else tuple(observation_shape),
        notes=tuple(notes),
        observation_names=tuple(observation_names or ()),
        roles=roles_of_frames(observation_names, frame_action_names, categories) if categories else None,
        covariates=covariates,
        covariate_names=covariate_names,
        covariate_categories=covariate_categories,
        **others,
    )
