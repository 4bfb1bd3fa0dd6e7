"""How many actions a direction with a given support can cancel, for generic effects.

A direction w whose support is exactly I cancels the actions C iff the generic effects of C, restricted to the rows I,
have a left null vector without zero entries. By Hall's theorem this is the case iff

    sum over C' of r_l  <  |union over C' of Ch(l) & I|     for every nonempty subset C' of C:

then deleting any row leaves a matching of all columns, so the rank without the row is the rank with it, and some null
vector is nonzero there. If every r_l is 1, these sets are the independent sets of a matroid, the hypergraphic matroid
of the sets Ch(l) & I (Lorea 1975; Frank, Kiraly, Kriesell 2003), so a greedy algorithm finds the largest one. Its rank
is the minimum of |I| - |P| + (number of sets that meet several parts of P) over the partitions P of I. Otherwise
a search over the actions finds the largest set. (The reduction is ours, docs/theory.md.)
"""

from __future__ import annotations

from collections.abc import Sequence

from identify.influence.joint.counting import members

__all__ = ["cancellable_actions", "most_by_count", "obstruct"]


def most_by_count(ranks: Sequence[int], size: int) -> int:
    """Return the largest number of actions whose ranks add up to less than the size of a support.

    Example:
        >>> most_by_count([1, 2, 2], 4)
        2
    """
    used = count = 0
    for rank in sorted(ranks):
        used += rank
        if used >= size:
            break
        count += 1
    return count


def cancellable_actions(
    support: int, children: Sequence[int], ranks: Sequence[int], enough: int | None = None
) -> tuple[int, ...]:
    """Return a largest set of actions that a direction with exactly this support cancels.

    Args:
        support: Bit mask of the latents.
        children: For each action, the bit mask of its children.
        ranks: For each action, the dimension of its generic effects.
        enough: Number of actions at which the search may stop; none by default.

    Returns:
        Actions that act on the support, ascending.

    Example:
        >>> cancellable_actions(0b011, [0b011, 0b011, 0b110], [1, 1, 1])
        (0,)
    """
    touching = [a for a, mask in enumerate(children) if (mask & support).bit_count() > ranks[a] > 0]
    touching.sort(key=lambda a: (ranks[a], (children[a] & support).bit_count()))
    rows = {a: members(children[a] & support) for a in touching}
    limit = most_by_count([ranks[a] for a in touching], support.bit_count())
    if enough is not None:
        limit = min(limit, enough)
    if all(ranks[a] == 1 for a in touching):
        forest = _Forest(rows, ranks)
        for action in touching:
            if len(forest.actions) == limit:
                break
            forest.add(action)
        return tuple(sorted(forest.actions))
    return tuple(sorted(_search(_Forest(rows, ranks), touching, limit)))


def obstruct(
    support: int, children: Sequence[int], ranks: Sequence[int], actions: Sequence[int]
) -> dict[int, int] | None:
    """Return why a direction with exactly this support doesn't cancel all of some actions.

    Args:
        support: Bit mask of the latents.
        children: For each action, the bit mask of its children.
        ranks: For each action, the dimension of its generic effects.
        actions: Actions that act on the support.

    Returns:
        All latents of the support on which some of the actions act, each matched to one of these actions, an action at
        most as often as its rank. The columns of these actions then have full row rank there, so a direction that
        cancels them is 0 on these latents. No action can be left out. None if the actions can be cancelled.

    Example:
        >>> obstruct(0b011, [0b011, 0b011, 0b110], [1, 1, 1], [0, 1])
        {0: 1, 1: 0}
        >>> obstruct(0b111, [0b011, 0b011, 0b110], [1, 1, 1], [0, 2]) is None
        True
    """
    rows = {a: members(children[a] & support) for a in actions}
    found = _first_obstruction(rows, ranks, actions)
    if found is None:
        return None
    for action in sorted(set(found.values())):
        involved = sorted(set(found.values()) - {action})
        found = _first_obstruction(rows, ranks, involved) or found
    return found


def _first_obstruction(
    rows: dict[int, list[int]], ranks: Sequence[int], actions: Sequence[int]
) -> dict[int, int] | None:
    forest = _Forest(rows, ranks)
    return next((found for a in actions if (found := forest.add(a)) is not None), None)


class _Forest:
    """Actions with their columns matched to rows, such that every subset has more rows than columns."""

    def __init__(self, rows: dict[int, list[int]], ranks: Sequence[int]) -> None:
        self._rows, self._ranks = rows, ranks
        self._owner: dict[int, int] = {}
        self.actions: list[int] = []

    def copy(self) -> _Forest:
        """Return an independent copy."""
        result = _Forest(self._rows, self._ranks)
        result._owner, result.actions = self._owner.copy(), self.actions.copy()
        return result

    def add(self, action: int) -> dict[int, int] | None:
        """Add an action if the condition still holds; else return rows matched to all actions that violate it."""
        before = self._owner.copy()
        # one more column than its rank: a set with the action then has more rows than columns
        for _ in range(self._ranks[action] + 1):
            seen: set[int] = set()
            if not self._augment(action, seen):
                # the owners of these rows and the action act on no other rows
                filled = {row: self._owner[row] for row in sorted(seen)}
                self._owner = before
                return filled
        spare = next(row for row, owner in self._owner.items() if owner == action)
        del self._owner[spare]
        self.actions.append(action)
        return None

    def _augment(self, action: int, seen: set[int]) -> bool:
        for row in self._rows[action]:
            if row in seen:
                continue
            seen.add(row)
            owner = self._owner.get(row)
            if owner is None or self._augment(owner, seen):
                self._owner[row] = action
                return True
        return False


def _search(forest: _Forest, remaining: Sequence[int], limit: int) -> list[int]:
    """Return a largest set of actions by branching on each action; remaining actions are in order of rank."""
    best = list(forest.actions)
    stack = [(forest, 0)]
    while stack and len(best) < limit:
        current, position = stack.pop()
        if len(current.actions) > len(best):
            best = list(current.actions)
        if position == len(remaining) or len(current.actions) + len(remaining) - position <= len(best):
            continue
        stack.append((current, position + 1))
        extended = current.copy()
        if extended.add(remaining[position]) is None:
            stack.append((extended, position + 1))
    return best
