"""When "nothing was told" may be concluded, and from whose silence.

A rule that rests on absence asks here once its deadline has passed. Absence counts when the
sources that should have told have spoken about the time up to the deadline:

- a source that gives heartbeats, when it says that it is complete up to the deadline;
- one without heartbeats, when the time is over in which its rhythm would have brought the news (a
  nightly source does so in its next run, so nothing is concluded from its silence at noon);
- a source that the network does not declare, at once: nothing is known of its rhythm.

A source that is blind proves nothing beyond what it proved before it fell silent; one in quarantine
nothing beyond what it proved before, for what it lacks may be among what was refused. Facts that
hide behind an open transaction of a sender prove nothing either.

**Who should tell** of a confirmation, a departure or money: the supplier's feeds, else the buyer's;
of what moves: the carrier's, else the receiver's, else the supplier's. Where the network declares
none of these, the source that last told of it. Where nobody ever told of a line's money and nobody
is declared to, nothing is concluded from hearing nothing of it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from alerts.findings import AWAITING_FEED, HELD_BACK, QUARANTINED_FEED, Blind, Silence
from alerts.lines import FeedState, Happened, Leg, LineSummary
from alerts.view import LineView
from schemas.facts import Family
from schemas.partner_sources import partner_of
from schemas.units import UtcMillis
from topology.model import Feed
from topology.network import Network

P = TypeVar("P")


class Step(enum.StrEnum):
    """What may happen next to a line."""

    CONFIRM = "confirm"
    SHIP = "ship"
    DELIVER = "deliver"
    INVOICE = "invoice"
    PAY = "pay"


_FAMILY = {
    Step.CONFIRM: Family.ORDERS,
    Step.SHIP: Family.SHIPMENTS,
    Step.DELIVER: Family.SHIPMENTS,
    Step.INVOICE: Family.PAYMENTS,
    Step.PAY: Family.PAYMENTS,
}


def telling(view: LineView, step: Step, leg: Leg | None = None) -> tuple[str, ...]:
    """The sources that should tell of the step, by id; none where nobody is known."""
    line, network = view.line, view.network
    if network.feeds:
        if step is Step.DELIVER:
            feeds = _delivery_feeds(network, line, leg)
        else:
            feeds = supplier_feeds(network, line, _FAMILY[step])
        if feeds:
            return tuple([feed.id for feed in feeds])
    if _FAMILY[step] is Family.PAYMENTS:
        money = line.money
        return () if money is None or money.last_news is None else (money.last_news.source,)
    news = line.confirmed_news or line.placed
    if leg is not None and leg.last_news is not None:
        news = leg.last_news
    return () if news is None else (news.source,)


def _delivery_feeds(network: Network, line: LineSummary, leg: Leg | None) -> tuple[Feed, ...]:
    shipments = Family.SHIPMENTS
    if leg is not None and leg.carrier:
        feeds = network.feeds_for(shipments, leg.carrier)
        if feeds:
            return feeds
    return (
        network.feeds_for(shipments, line.buyer, line.ship_to)
        or network.feeds_for(shipments, None, line.ship_to)
        or network.feeds_for(shipments, line.supplier, line.ship_from)
    )


def supplier_feeds(network: Network, line: LineSummary, family: Family) -> tuple[Feed, ...]:
    """The feeds that tell this family of facts for the supplier of the line, else for its buyer."""
    return (
        network.feeds_for(family, line.supplier, line.ship_from)
        or network.feeds_for(family, None, line.ship_from)
        or network.feeds_for(family, line.buyer, line.ship_to)
    )


def tells_for(source: str | None, party: str, network: Network) -> bool:
    """Whether the source is a feed that tells for the party, or the party's own door."""
    if source is not None and partner_of(source) == party:
        return True
    feed = network.feed(source)
    return feed is not None and feed.party == party


def refusal_of(line: LineSummary, network: Network) -> Happened | None:
    """The supplier's word that it will not deliver the line, as long as the buyer has not answered
    it: by cancelling or closing the line, or by giving it to another (which `fold` knows of). That
    the supplier closes what it refused is no answer."""
    if not line.is_rejected or line.is_cancelled:
        return None
    closed, supplier = line.closed, line.supplier
    if closed is not None and not (supplier and tells_for(closed.source, supplier, network)):
        return None
    return line.rejected


class Seen(Protocol):
    """What is known, at a moment, of the sources that tell of a line or a stock node."""

    @property
    def network(self) -> Network: ...
    @property
    def now(self) -> UtcMillis: ...
    @property
    def feeds(self) -> Mapping[str, FeedState]: ...
    @property
    def held_families(self) -> tuple[str, ...]: ...


def blind(view: Seen, sources: Iterable[str]) -> Blind | None:
    """The first of the sources that is blind; a declared one that was never heard is."""
    for source in sources:
        state = view.feeds.get(source)
        if state is None:
            if source in view.network.feeds:
                return Blind(source, None)
        elif state.blind_since is not None:
            return _blinded(state, state.blind_since)
    return None


def _blinded(state: FeedState, since: UtcMillis) -> Blind:
    """What is said of a source that is blind since then: that it is silent, or in quarantine."""
    if state.quarantined is not None:
        return Blind(state.source, state.quarantined.since, reason=QUARANTINED_FEED)
    return Blind(state.source, since)


def absence(
    view: LineView, step: Step, deadline: UtcMillis, leg: Leg | None = None
) -> Silence | Blind | None:
    """None when nothing was told of the step up to the deadline, which has passed.

    Else why that cannot be said. Cost: one look-up for each source.
    """
    return untold(view, telling(view, step, leg), _FAMILY[step], deadline)


def untold(
    view: Seen, sources: Iterable[str], family: Family, deadline: UtcMillis
) -> Silence | Blind | None:
    """None when these sources have told all of the family up to the deadline, which has passed;
    else why that cannot be said."""
    if family.value in view.held_families:
        return Silence(HELD_BACK, value=deadline)
    waits: Silence | None = None
    for source in sources:
        hidden = _unproven(view, source, family, deadline)
        if isinstance(hidden, Blind):
            return hidden
        if hidden is not None and (waits is None or hidden.next_fire_at is None):
            waits = hidden
    return waits


def _unproven(
    view: Seen, source: str, family: Family, deadline: UtcMillis
) -> Silence | Blind | None:
    feed = view.network.feeds.get(source)
    state = view.feeds.get(source)
    if state is None:
        return None if feed is None else Blind(source, None)
    if feed is not None and feed.heartbeats:
        if complete_to(state, family) >= deadline:
            return None
        if state.blind_since is not None:
            return _blinded(state, state.blind_since)
        return Silence(AWAITING_FEED, value=deadline, feed=source)
    told_by = None if feed is None else view.network.blind_at(feed, deadline)
    if state.blind_since is not None:
        if state.quarantined is not None:
            # That it is heard proves nothing: its time must have been over before.
            is_proven = (told_by or deadline) < state.blind_since
        else:
            is_proven = deadline <= state.heard_at
        return None if is_proven else _blinded(state, state.blind_since)
    if told_by is None or view.now >= told_by:
        return None
    return Silence(AWAITING_FEED, value=deadline, next_fire_at=told_by, feed=source)


def complete_to(state: FeedState, family: Family) -> UtcMillis:
    """Up to when the source says that it has told everything of the family; 0 if it never did."""
    said = state.complete_to or 0
    for name, moment in state.families:
        if name == family.value:
            return max(said, moment)
    return said


class Proven(msgspec.Struct, Generic[P], frozen=True):
    """The deadline that passed with nothing told, and when or by whose word to look anew."""

    deadline: UtcMillis
    subject: P
    next_fire_at: UtcMillis | None = None
    feed: str = ""


def first_proven(
    view: LineView, step: Step, candidates: Sequence[tuple[UtcMillis, Leg | None, P]]
) -> Proven[P] | Silence | Blind | None:
    """Of several deadlines, ascending, the first that has passed with nothing told of it.

    Else why that cannot be said of those that have passed; None when none has. Where an earlier
    one cannot be told yet, or a later one is still to come, the answer says when to look anew.
    """
    hidden: Silence | Blind | None = None
    anew_at: UtcMillis | None = None
    for deadline, leg, subject in candidates:
        if deadline > view.now:
            if hidden is not None:
                anew_at = earliest(anew_at, deadline)
            break
        answer = absence(view, step, deadline, leg)
        if answer is None:
            feed = hidden.feed if isinstance(hidden, Silence) else ""
            return Proven(deadline, subject, anew_at, feed)
        hidden = hidden or answer
        anew_at = earliest(anew_at, answer.next_fire_at)
    return hidden if hidden is None else msgspec.structs.replace(hidden, next_fire_at=anew_at)


def earliest(*moments: UtcMillis | None) -> UtcMillis | None:
    """The earliest of those that are given."""
    return min((each for each in moments if each is not None), default=None)
