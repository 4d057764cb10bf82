"""The wall's table as one pure function: (viewer, effective modes, notices) → what is visible."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from brands.modes import Mode


class Kind(StrEnum):
    """A kind of member data; masked is contact data with its middle hidden."""

    METRICS = "metrics"
    PROFILE = "profile"
    CONTACT = "contact"
    MASKED = "masked"
    ACTIVITY = "activity"


# An average over fewer brands says too much about each of them.
FEWEST_AVERAGED = 3


class Sight(StrEnum):
    """How much of one brand's data of one kind a viewer sees."""

    ALL = "all"
    OWN_STORES = "own_stores"
    CONSENTED = "consented"
    SUPPRESSED = "suppressed"
    AVERAGES = "averages"
    NONE = "none"


class Reason(StrEnum):
    """Why a cell of the table is as it is; the screens spell it out."""

    OWN_BRAND = "own_brand"
    OWN_STORE = "own_store"
    CONTACT_NOT_ENGAGED = "contact_not_engaged"
    ROLE_WITHOUT_CONTACT = "role_without_contact"
    STORE_SEES_ITS_OWN = "store_sees_its_own"
    HQ_FAN_MAX = "hq_fan_max"
    HQ_MEMBER_MAX = "hq_member_max"
    HQ_BRAND_MAX = "hq_brand_max"
    SIBLINGS_FAN_MAX = "siblings_fan_max"
    VIEWER_NOT_FAN_MAX = "viewer_not_fan_max"
    SIBLING_MEMBER_MAX = "sibling_member_max"
    SIBLING_BRAND_MAX = "sibling_brand_max"
    NO_NOTICE = "no_notice"
    NO_GRANT = "no_grant"
    # Only for a program that acts under a token (brands.wall.narrowing).
    NOT_IN_TOKEN = "not_in_token"  # noqa: S105 - a word, no password


@dataclass(frozen=True)
class Viewer:
    """Be a grant as the wall sees it: HQ, the holder of brands, or the holder of stores."""

    is_hq: bool = False
    brands: frozenset[int] = frozenset()
    stores: frozenset[int] = frozenset()
    # The brands of `stores`.
    store_brands: frozenset[int] = frozenset()
    # False for roles that never handle contact data, and for engagements that do not name it.
    sees_contact: bool = True
    # Acts for a service provider, under an engagement.
    is_engaged: bool = False
    is_read_only: bool = False
    # What these asked for is their own; none where HQ only looks on.
    grants: frozenset[int] = frozenset()
    # HQ looks as this viewer, and sees of it only what HQ sees as well.
    is_looked_as: bool = False

    @property
    def own_brands(self) -> frozenset[int]:
        """Return the brands whose own affairs the viewer is told: none where HQ only looks on."""
        return frozenset() if self.is_looked_as else self.brands | self.store_brands


@dataclass(frozen=True)
class NoticeTerms:
    """Be a notice as the wall sees it: its recipients and its kinds."""

    id: int
    names_group: bool = False
    brands: frozenset[int] = frozenset()
    kinds: frozenset[Kind] = frozenset()


@dataclass(frozen=True)
class Cell:
    """Answer for one brand and one kind: how much is seen, why, and under which notices."""

    sight: Sight
    reason: Reason
    notices: frozenset[int] = frozenset()


@dataclass(frozen=True)
class KindSets:
    """Hold the sets that a policy of one kind compares a row with."""

    all_brands: frozenset[int] = frozenset()
    stores: frozenset[int] = frozenset()
    consented_brands: frozenset[int] = frozenset()
    notices: frozenset[int] = frozenset()
    suppressed_brands: frozenset[int] = frozenset()

    @property
    def brands(self) -> frozenset[int]:
        """Return every brand of which at least some rows may be seen by brand."""
        return self.all_brands | self.consented_brands | self.suppressed_brands


@dataclass(frozen=True)
class Look:
    """Be the two answers that meet where HQ looks as someone: the role's, and HQ's own."""

    role: Visible
    hq: Visible


@dataclass(frozen=True)
class Visible:
    """Be the whole answer for one viewer: the table's cells and the sets made of them.

    Where HQ looks as this viewer, cells and sets are what pages may say of both; which rows are
    shown is decided row by row, by the two answers of the look.
    """

    viewer: Viewer
    modes: Mapping[int, Mode]
    cells: Mapping[tuple[int, Kind], Cell]
    kinds: Mapping[Kind, KindSets]
    averaged_brands: frozenset[int] = frozenset()
    write_brands: frozenset[int] = frozenset()
    write_stores: frozenset[int] = frozenset()
    # Whether the viewer may write rows of the group's own, under the set of brands of today.
    writes_group: bool = False
    # The brands that figures of the group leave out, since the viewer may count only large cells
    # of them; None where no figure of the group may be read.
    group_without: frozenset[int] | None = None
    # The brands that tell the viewer figures which are no sibling's to know: the own ones, and HQ
    # those that are not in brand-max.
    told_brands: frozenset[int] = frozenset()
    k: int = 10
    look: Look | None = None
    _digest: list[str] = field(default_factory=list, compare=False, repr=False)

    def cell(self, brand_id: int, kind: Kind) -> Cell:
        """Return the table's answer for a brand and a kind; nothing for an unknown brand."""
        return self.cells.get((brand_id, kind), Cell(Sight.NONE, Reason.NO_GRANT))

    @property
    def shown_brands(self) -> frozenset[int]:
        """Return the brands of which anything is shown but averages over several."""
        unseen = (Sight.NONE, Sight.AVERAGES)
        return frozenset(pk for (pk, _kind), one in self.cells.items() if one.sight not in unseen)

    @property
    def group_set(self) -> str:
        """Name the brands that figures of the group leave out; "" where none may be read."""
        return "" if self.group_without is None else brand_set(self.group_without)

    @property
    def sides(self) -> tuple[Visible, ...]:
        """Return the answers that a row must pass, each of them: this one, or a look's two."""
        return (self,) if self.look is None else (self.look.role, self.look.hq)

    def with_only(self, kinds: Mapping[Kind, KindSets]) -> Visible:
        """Return this answer with these sets to read by, and nothing else to read or to write.

        Of a look it is the role's side that they replace: HQ's still has to agree.
        """
        look = self.look
        return replace(
            self,
            viewer=replace(self.viewer, grants=frozenset()),
            kinds={kind: kinds.get(kind, KindSets()) for kind in Kind},
            write_brands=frozenset(),
            write_stores=frozenset(),
            writes_group=False,
            group_without=None,
            told_brands=frozenset(),
            look=replace(look, role=look.role.with_only(kinds)) if look else None,
            _digest=[],
        )

    @property
    def is_whole(self) -> bool:
        """Tell whether of every kind, brands are seen in full or not at all."""
        return not any(
            sets.stores or sets.consented_brands or sets.suppressed_brands
            for sets in self.kinds.values()
        )

    @property
    def digest(self) -> str:
        """Name viewer, modes and sets in a cache key: equal ones, equal digest."""
        if not self._digest:
            viewer = self.viewer
            parts = [
                repr((self.group_set, self.k, sorted(self.averaged_brands))),
                repr(sorted(self.told_brands)),
                # Pages also say who looks, and through which modes.
                repr((viewer.is_hq, sorted(viewer.brands), sorted(viewer.stores))),
                repr((viewer.sees_contact, viewer.is_engaged, viewer.is_looked_as)),
                repr(sorted((brand, str(mode)) for brand, mode in self.modes.items())),
            ]
            for kind in Kind:
                sets = self.kinds[kind]
                parts.append(
                    repr(
                        [
                            sorted(part)
                            for part in (
                                sets.all_brands,
                                sets.stores,
                                sets.consented_brands,
                                sets.notices,
                                sets.suppressed_brands,
                            )
                        ]
                    )
                )
            if self.look is not None:
                parts += [side.digest for side in self.sides]
            self._digest.append(hashlib.sha256("|".join(parts).encode()).hexdigest()[:20])
        return self._digest[0]


def brand_set(brands: Iterable[int]) -> str:
    """Name a set of brands in 32 characters: equal sets, equal names."""
    text = ",".join(str(number) for number in sorted(brands))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def decide(
    viewer: Viewer,
    brand_id: int,
    kind: Kind,
    modes: Mapping[int, Mode],
    notices: Iterable[NoticeTerms],
) -> Cell:
    """Return one cell of the wall's table: what VIEWER sees of one brand's data of one kind."""
    if kind in (Kind.CONTACT, Kind.MASKED) and not viewer.sees_contact:
        return Cell(
            Sight.NONE,
            Reason.CONTACT_NOT_ENGAGED if viewer.is_engaged else Reason.ROLE_WITHOUT_CONTACT,
        )
    if brand_id in viewer.brands:
        return Cell(Sight.ALL, Reason.OWN_BRAND)
    if brand_id in viewer.store_brands:
        return Cell(Sight.OWN_STORES, Reason.OWN_STORE)
    if viewer.is_hq:
        return _decide_hq(kind, modes[brand_id], notices)
    if not viewer.brands:
        return Cell(Sight.NONE, Reason.STORE_SEES_ITS_OWN if viewer.stores else Reason.NO_GRANT)
    return _decide_sibling(viewer, kind, modes[brand_id], modes, notices)


def _decide_hq(kind: Kind, mode: Mode, notices: Iterable[NoticeTerms]) -> Cell:
    if mode is Mode.FAN_MAX:
        if kind is Kind.METRICS:
            return Cell(Sight.ALL, Reason.HQ_FAN_MAX)
        named = frozenset(
            notice.id for notice in notices if notice.names_group and _covers(notice, kind)
        )
        return _consented(named, Reason.HQ_FAN_MAX)
    if mode is Mode.MEMBER_MAX:
        if kind in (Kind.METRICS, Kind.PROFILE):
            return Cell(Sight.ALL, Reason.HQ_MEMBER_MAX)
        return Cell(Sight.NONE, Reason.HQ_MEMBER_MAX)
    if kind is Kind.METRICS:
        return Cell(Sight.SUPPRESSED, Reason.HQ_BRAND_MAX)
    return Cell(Sight.NONE, Reason.HQ_BRAND_MAX)


def _decide_sibling(
    viewer: Viewer,
    kind: Kind,
    mode: Mode,
    modes: Mapping[int, Mode],
    notices: Iterable[NoticeTerms],
) -> Cell:
    if mode is Mode.BRAND_MAX:
        return Cell(Sight.NONE, Reason.SIBLING_BRAND_MAX)
    if mode is Mode.MEMBER_MAX:
        sight = Sight.AVERAGES if kind is Kind.METRICS else Sight.NONE
        return Cell(sight, Reason.SIBLING_MEMBER_MAX)
    open_brands = {brand for brand in viewer.brands if modes[brand] is Mode.FAN_MAX}
    if not open_brands:
        sight = Sight.AVERAGES if kind is Kind.METRICS else Sight.NONE
        return Cell(sight, Reason.VIEWER_NOT_FAN_MAX)
    if kind is Kind.METRICS:
        return Cell(Sight.ALL, Reason.SIBLINGS_FAN_MAX)
    if kind is Kind.CONTACT:
        # A sibling sees contact data masked only: that is the kind "masked".
        return Cell(Sight.NONE, Reason.SIBLINGS_FAN_MAX)
    named = frozenset(
        notice.id for notice in notices if notice.brands & open_brands and _covers(notice, kind)
    )
    return _consented(named, Reason.SIBLINGS_FAN_MAX)


def _covers(notice: NoticeTerms, kind: Kind) -> bool:
    return (Kind.CONTACT if kind is Kind.MASKED else kind) in notice.kinds


def _consented(notices: frozenset[int], reason: Reason) -> Cell:
    if not notices:
        return Cell(Sight.NONE, Reason.NO_NOTICE)
    return Cell(Sight.CONSENTED, reason, notices)


def visibility(
    viewer: Viewer,
    modes: Mapping[int, Mode],
    notices: Iterable[NoticeTerms],
    *,
    k: int = 10,
) -> Visible:
    """Return everything VIEWER may see in a group whose brands have these effective modes."""
    notices = tuple(notices)
    cells = {
        (brand_id, kind): decide(viewer, brand_id, kind, modes, notices)
        for brand_id in modes
        for kind in Kind
    }
    kinds = {kind: sets_of(kind, viewer, cells) for kind in Kind}
    averaged = frozenset(
        brand_id for brand_id, mode in modes.items() if mode is not Mode.BRAND_MAX and viewer.brands
    )
    may_write = not viewer.is_read_only
    return Visible(
        viewer=viewer,
        modes=modes,
        cells=cells,
        kinds=kinds,
        averaged_brands=averaged,
        write_brands=viewer.brands if may_write else frozenset(),
        write_stores=viewer.stores if may_write else frozenset(),
        writes_group=may_write and viewer.is_hq,
        group_without=kinds[Kind.METRICS].suppressed_brands if viewer.is_hq else None,
        told_brands=_told_brands(viewer, modes),
        k=k,
    )


def _told_brands(viewer: Viewer, modes: Mapping[int, Mode]) -> frozenset[int]:
    own = viewer.brands | viewer.store_brands
    if not viewer.is_hq:
        return own
    return own | {brand_id for brand_id, mode in modes.items() if mode is not Mode.BRAND_MAX}


def sets_of(kind: Kind, viewer: Viewer, cells: Mapping[tuple[int, Kind], Cell]) -> KindSets:
    """Return the sets that the cells of one kind come to."""
    by_sight: dict[Sight, set[int]] = {sight: set() for sight in Sight}
    notices: set[int] = set()
    for (brand_id, cell_kind), cell in cells.items():
        if cell_kind is kind:
            by_sight[cell.sight].add(brand_id)
            notices |= cell.notices
    return KindSets(
        all_brands=frozenset(by_sight[Sight.ALL]),
        stores=viewer.stores if by_sight[Sight.OWN_STORES] else frozenset(),
        consented_brands=frozenset(by_sight[Sight.CONSENTED]),
        notices=frozenset(notices),
        suppressed_brands=frozenset(by_sight[Sight.SUPPRESSED]),
    )
