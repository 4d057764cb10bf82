"""Connected components of arrays: what SQL would do in rounds over tables, done in memory.

For a whole group: 30 million links of 10 million profiles take about two gigabytes for a minute.
What changes with an import is worked out in SQL (members.identity.graph), where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from members.identity.columns import Numbers

# Of numbers that lie wider apart than this, by the mean, no table of all is made.
_WIDEST = 4

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


def found_at(keys: Numbers, wanted: Numbers) -> tuple[Numbers, Flags]:
    """Return where each wanted number is among ascending keys, and whether it is there at all."""
    place = np.searchsorted(keys, wanted)
    place[place == len(keys)] = 0
    is_there = keys[place] == wanted if len(keys) else np.zeros(len(wanted), dtype=np.bool_)
    return place, is_there


@dataclass(frozen=True)
class Labels:
    """Hold who is with whom: profiles in ascending order, and the smallest of those with each.

    Who is alone need not be among them.
    """

    profiles: Numbers
    labels: Numbers

    def of(self, profiles: Numbers) -> Numbers:
        """Return the label of each profile; its own number where it is not among these."""
        place, is_there = found_at(self.profiles, profiles)
        found = profiles.copy()
        found[is_there] = self.labels[place[is_there]]
        return found

    def changed(self, profiles: Numbers, labels: Numbers) -> Labels:
        """Return the same with other labels of some profiles."""
        place, is_there = found_at(self.profiles, profiles)
        changed = self.labels.copy()
        changed[place[is_there]] = labels[is_there]
        return Labels(self.profiles, changed)


def places(numbers: Numbers) -> tuple[Numbers, int]:
    """Return for each number a place, the same for equal ones, and how many places there are."""
    if not len(numbers):
        return numbers, 0
    low, high = int(numbers.min()), int(numbers.max())
    if high - low < _WIDEST * len(numbers):
        return numbers - low, high - low + 1
    several, place = np.unique(numbers, return_inverse=True)
    return place, len(several)


def one_of_each(numbers: Numbers, group: Numbers) -> Numbers:
    """Return for each number one of those of its group: the same for the whole group."""
    place, count = places(group)
    one = np.empty(count, dtype=np.int64)
    # Of several that are written to one place the last one stays.
    one[place] = numbers
    return one[place]


def label_components(ends: Numbers, others: Numbers) -> Labels:
    """Return the components of a graph, given as edges from ENDS to OTHERS.

    Each round hooks every label to the smallest label that an edge joins it with, follows these
    hooks to their ends, and renames the edges. What is not hooked is smaller than all its
    neighbours, and who hooks beside it makes it hook in the next round: in two rounds labels
    become half as many at least, so a chain of any length falls in few.
    """
    profiles, end, other = _numbered(ends, others)
    label = np.arange(len(profiles), dtype=end.dtype)
    while len(end):
        np.minimum.at(label, np.maximum(end, other), np.minimum(end, other))
        while True:
            further = label[label]
            if np.array_equal(further, label):
                break
            label = further
        end, other = label[end], label[other]
        is_open = end != other
        end, other = end[is_open], other[is_open]
    return Labels(profiles, profiles[label])


def _numbered(ends: Numbers, others: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return the profiles of edges in ascending order, and the edges by their places there."""
    place, count = places(np.concatenate([ends, others]))
    is_there = np.zeros(count, dtype=np.bool_)
    is_there[place] = True
    number = np.cumsum(is_there) - 1
    profiles = np.empty(int(is_there.sum()), dtype=np.int64)
    end, other = number[place[: len(ends)]], number[place[len(ends) :]]
    profiles[end], profiles[other] = ends, others
    return profiles, end, other
