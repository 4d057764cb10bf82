"""What is shown of brands in brand-max: every world that agrees with it, counted one by one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from members.overlap import suppression
from members.overlap.figures import Figure
from members.overlap.suppression import Audit, candidates, choose

OPEN, CLOSED, SECOND = 1, 2, 3
# So many persons of no open brand are tried where nobody says how many a closed brand has.
BEYOND = 5


def sets_of(*groups: int) -> frozenset[int]:
    return frozenset(groups)


def splits(total: int, bins: int) -> Iterator[tuple[int, ...]]:
    if bins == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in splits(total - first, bins - 1):
            yield (first, *rest)


def every_world(truth, open_brands, closed_brands, known_sizes, shown) -> Iterator[dict]:
    """Yield each way to spread persons that HQ could take for true, written without the product.

    HQ counts for itself who is in which of the open brands. SHOWN are triples: whether a figure is
    of exactly these brands, the brands, the persons.
    """
    subsets = [frozenset()]
    for brand in closed_brands:
        subsets += [one | {brand} for one in subsets]
    blocks = {}
    for brands, persons in truth.items():
        seen = brands & open_brands
        blocks[seen] = blocks.get(seen, 0) + persons
    blocks.pop(frozenset(), None)
    ways = [
        [
            dict(zip([seen | some for some in subsets], split, strict=True))
            for split in splits(persons, len(subsets))
        ]
        for seen, persons in blocks.items()
    ]
    together = [some for some in subsets if len(some) > 1]
    most = max([*known_sizes.values(), BEYOND])
    for chosen in product(*ways, *[range(most + 1)] * len(together)):
        base = {brands: n for part in chosen[: len(ways)] for brands, n in part.items()}
        base |= dict(zip(together, chosen[len(ways) :], strict=True))
        # Who is in one closed brand and no other brand makes up its size, where that is known.
        alone = []
        for brand in sorted(closed_brands):
            inside = sum(n for brands, n in base.items() if brand in brands)
            size = known_sizes.get(brand)
            alone.append(
                range(BEYOND + 1) if size is None else range(size - inside, size - inside + 1)
            )
        for counts in product(*alone):
            if min(counts) < 0:
                continue
            world = base | {
                frozenset({brand}): n
                for brand, n in zip(sorted(closed_brands), counts, strict=True)
            }
            if all(
                persons == _read(world, is_exact, brands) for is_exact, brands, persons in shown
            ):
                yield world


def _read(world, is_exact, brands) -> int:
    if is_exact:
        return world.get(brands, 0)
    return sum(persons for one, persons in world.items() if brands <= one)


def shown_as_triples(chosen) -> list[tuple[bool, frozenset[int], int]]:
    return [(one.is_exact, one.brands, persons) for one, persons in chosen.shown.items()]


def small_numbers(truth, closed_brands, k):
    """Return name → (counter, persons) of every number of persons that must not come out."""
    everyone = frozenset().union(*truth) | closed_brands
    found = {}
    for brands, persons in truth.items():
        if 0 < persons < k:
            found[("exactly", brands)] = lambda world, brands=brands: world.get(brands, 0)
    for one in sorted(everyone):
        for other in sorted(everyone - {one}):
            if not {one, other} & closed_brands:
                continue
            counters = {
                ("both", frozenset({one, other})): lambda world, one=one, other=other: sum(
                    n for brands, n in world.items() if one in brands and other in brands
                ),
                ("without", one, other): lambda world, one=one, other=other: sum(
                    n for brands, n in world.items() if one in brands and other not in brands
                ),
            }
            found |= {name: count for name, count in counters.items() if count(truth) < k}
    return found


def check(truth, open_brands, closed_brands, k) -> int:
    """Assert that no world-by-world reading of what is shown narrows a small number; count them."""
    truth = {brands: persons for brands, persons in truth.items() if persons}
    if not truth:
        return 0
    sizes = {
        brand: size
        for brand in closed_brands
        if (size := sum(n for brands, n in truth.items() if brand in brands)) >= k
    }
    chosen = choose(truth, closed_brands, frozenset(sizes), k)
    assert all(persons >= k for persons in chosen.shown.values())
    secret = small_numbers(truth, closed_brands, k)
    before = _ranges(every_world(truth, open_brands, closed_brands, sizes, []), secret)
    after = _ranges(
        every_world(truth, open_brands, closed_brands, sizes, shown_as_triples(chosen)), secret
    )
    for name, count in secret.items():
        lowest, highest = before[name]
        low, high = after[name]
        assert low <= count(truth) <= high
        # As small as sizes alone allow, and as large, up to k.
        assert low == lowest, (name, chosen.shown)
        assert high >= min(k, highest), (name, chosen.shown)
    return len(secret)


def _ranges(worlds, secret) -> dict:
    ranges: dict = {}
    for world in worlds:
        for name, count in secret.items():
            value = count(world)
            low, high = ranges.get(name, (value, value))
            ranges[name] = (min(low, value), max(high, value))
    return ranges


few = st.integers(0, 4)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    counts=st.lists(few, min_size=7, max_size=7),
    is_two_open=st.booleans(),
)
def test_no_small_number_of_three_brands_is_narrowed_by_what_is_shown(counts, is_two_open):
    open_brands = sets_of(1, 2) if is_two_open else sets_of(1)
    closed_brands = sets_of(1, 2, 3) - open_brands
    combos = [sets_of(*(b for b in (1, 2, 3) if number >> (b - 1) & 1)) for number in range(1, 8)]
    check(dict(zip(combos, counts, strict=True)), open_brands, closed_brands, k=3)


def test_the_brute_force_sees_a_number_that_is_given_away():
    truth = {sets_of(1): 10, sets_of(1, 2): 2, sets_of(2): 9}
    secret = small_numbers(truth, sets_of(2), 3)
    careless = [(True, sets_of(1), 10)]
    ranges = _ranges(every_world(truth, sets_of(1), sets_of(2), {2: 11}, careless), secret)
    assert ranges[("exactly", sets_of(1, 2))] == (2, 2)


def test_a_small_intersection_takes_with_it_what_would_give_it_away():
    truth = {sets_of(1): 50, sets_of(1, 2): 4, sets_of(2): 60}
    assert choose(truth, sets_of(2), sets_of(2), 10).shown == {}
    many = truth | {sets_of(1, 2): 40}
    assert choose(many, sets_of(2), sets_of(2), 10).shown == {
        Figure(sets_of(1, 2)): 40,
        **{Figure(brands, is_exact=True): n for brands, n in many.items()},
    }


def test_with_no_smallest_number_everything_is_shown_exactly():
    truth = {sets_of(1): 5, sets_of(1, 2): 1, sets_of(2): 2, sets_of(1, 2, 3): 1}
    shown = choose(truth, sets_of(2, 3), frozenset(), 0).shown
    assert {one.brands: n for one, n in shown.items() if one.is_exact} == truth
    assert shown[Figure(sets_of(1, 2))] == 2
    assert shown[Figure(sets_of(2, 3))] == 1


def test_a_brand_that_is_nearly_all_inside_another_is_not_shown_beside_it():
    truth = {sets_of(1): 500, sets_of(1, 2): 100, sets_of(2): 3}
    assert Figure(sets_of(1, 2)) not in candidates(truth, sets_of(2), 10)


def test_an_audit_settles_what_it_found_once_figures_are_hidden():
    truth = {sets_of(1): 50, sets_of(1, 2): 4, sets_of(2): 60}
    audit = Audit(truth, sets_of(2), sets_of(2), 10, {Figure(sets_of(1), is_exact=True): 50})
    failed = audit.first_unsafe()
    assert failed is not None
    assert failed[0].figure == Figure(sets_of(1, 2), is_exact=True)
    assert audit.hide_one(*failed)
    assert audit.first_unsafe() is None
    assert audit.shown == {}


def test_a_group_with_too_many_sets_of_brands_shows_nothing_of_closed_brands(monkeypatch):
    monkeypatch.setattr(suppression, "MOST_CELLS", 2)
    truth = {sets_of(1): 50, sets_of(1, 2): 40, sets_of(2): 60}
    chosen = choose(truth, sets_of(2), sets_of(2), 10)
    assert chosen.shown == {}
    assert chosen.hidden_with == 4


@pytest.mark.parametrize("closed", [sets_of(5, 6), sets_of(1, 2, 3, 4, 5, 6)])
def test_six_brands_keep_most_of_their_figures(closed):
    truth = {}
    for number in range(1, 64):
        brands = sets_of(*(b for b in range(1, 7) if number >> (b - 1) & 1))
        truth[brands] = 4_000 // (7 ** (len(brands) - 1)) + number % 7
    chosen = choose(truth, closed, closed, 10)
    assert sum(not one.is_exact for one in chosen.shown) == len(
        [pair for pair in suppression.pairs(truth, closed)]
    )
    assert sum(one.is_exact for one in chosen.shown) >= 15
