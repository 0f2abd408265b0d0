"""What is known of one source, as ledgers keep it: when it was last heard, how complete it says it
is, how long it is usually silent, and how many of its records were refused.

A source that stays silent beyond its rhythm turns blind here, and so does one of which too many
records are refused, while the good ones are used; every partition of cells is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alerts.lines import FeedState
from alerts.quarantine import Hours, counted, eases_at, quarantined
from alerts.rhythm import Silences, blind_at, listened, usual_hours
from alerts.status import feed_record
from schemas.codec import unpack
from schemas.facts import Heartbeat
from schemas.limits import QUARANTINE_HOURS_MAX
from schemas.units import HOUR_MS, UtcMillis
from streams.stages.rows import Row, RowKind, partition_of
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store

SOURCE_STATE_VERSION = 2
"""1 knew neither silences nor counts; it is read as having none yet."""

_encode = msgspec.msgpack.Encoder().encode


class Counted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Body of a row COUNTED: of the records of one partition of facts, from an offset on, so many
    of the source were taken in and so many refused. No two are the same."""

    topic: str
    partition: int
    offset: int
    good: int
    refused: int


class SourceState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A source in the ledger; `due` is when it turns blind if nothing more is heard, or when its
    share of refused records is another because time went on.

    `is_known` is False while nothing is to be said of it: the network does not declare it, and its
    few records were refused, all of them. `hours` counts these, until `due`.
    """

    v: int
    due: UtcMillis | None
    feed: FeedState
    silences: Silences = ()
    hours: Hours = ()
    is_known: bool = True


class FeedRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What cells are told of a source, and why: its blindness, its completeness or what is usual
    for it changed.

    `judges` is set for the one partition that judges the source itself.
    """

    feed: FeedState
    turned: bool
    advanced: bool
    judges: bool


_decode_source = msgspec.msgpack.Decoder(SourceState).decode
_decode_counted = msgspec.msgpack.Decoder(Counted).decode


def keep_source(
    key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
) -> None:
    """One source at one tick."""
    source = key[1:]
    held = store.get(key)
    state = _decode_source(held) if held is not None else None
    is_declared = tick.network.feed(source) is not None
    if state is None and not rows and not is_declared:
        return
    old = state.feed if state is not None and state.is_known else None
    counts = [_decode_counted(row.body) for row in rows if row.kind == RowKind.COUNTED]
    is_heard = any(row.kind != RowKind.COUNTED for row in rows) or any(c.good for c in counts)
    feed, silences = FeedState(source, tick.at), Silences()
    hours = Hours() if state is None else state.hours
    if state is not None and old is not None:
        feed, silences = old, state.silences
        if is_heard:
            silences = listened(silences, feed.heard_at, tick.at)
            feed = msgspec.structs.replace(feed, learned_hours=usual_hours(silences))
    if counts or feed.quarantined is not None:
        good, refused = sum(c.good for c in counts), sum(c.refused for c in counts)
        hours = counted(hours, good, refused, tick.at)
    feed = _seen(feed, rows, is_heard=is_heard, hours=hours, tick=tick)
    if old is None and not (is_heard or is_declared or feed.quarantined):
        _count_alone(key, feed if state is None else state.feed, hours, store, tick)
        return
    due = blind_at(feed, tick.network, tick.policy) if feed.blind_since is None else None
    if feed.quarantined is not None:
        due = eases_at(hours, tick.policy.quarantine, tick.at)
    store.put(key, _encode(SourceState(SOURCE_STATE_VERSION, due, feed, silences, hours)))
    _tell(key, old, feed, tick, out)


def _count_alone(key: str, feed: FeedState, hours: Hours, store: Store, tick: TickContext) -> None:
    """Only refused records came of the source, and nobody waits for it: that they came says nothing
    of a source, and is forgotten when they are past every window."""
    due = (hours[-1][0] + QUARANTINE_HOURS_MAX) * HOUR_MS
    if due <= tick.at:
        store.delete(key)
        return
    state = SourceState(SOURCE_STATE_VERSION, due, feed, hours=hours, is_known=False)
    store.put(key, _encode(state))


def _seen(
    feed: FeedState, rows: Sequence[Row], *, is_heard: bool, hours: Hours, tick: TickContext
) -> FeedState:
    """The source after this tick: what it said, and whether it is blind."""
    if is_heard:
        feed = msgspec.structs.replace(feed, heard_at=max(feed.heard_at, tick.at))
    found = quarantined(hours, feed.quarantined, tick.policy.quarantine, tick.at)
    if found is None:
        # What a source in quarantine says it has told may be among what was refused.
        for row in rows:
            feed = _claimed(feed, row)
    silent_until = blind_at(feed, tick.network, tick.policy)
    is_silent = silent_until is not None and silent_until <= tick.at
    blind_since = feed.blind_since
    if found is not None:
        blind_since = tick.at if blind_since is None else blind_since
    elif feed.quarantined is not None or is_heard or not is_silent:
        # Also where a new network declares a rhythm by which this silence is normal.
        blind_since = None
    if (
        blind_since is None
        and is_silent
        and tick.header.complete
        and not _is_held(feed.source, tick)
    ):
        blind_since = tick.at
    return msgspec.structs.replace(feed, blind_since=blind_since, quarantined=found)


def _tell(
    key: str, old: FeedState | None, feed: FeedState, tick: TickContext, out: Outputs
) -> None:
    turned = (
        old is None
        or (old.blind_since is None) != (feed.blind_since is None)
        or old.quarantined != feed.quarantined
    )
    advanced = old is None or (old.complete_to, old.families, old.learned_hours) != (
        feed.complete_to,
        feed.families,
        feed.learned_hours,
    )
    if turned or advanced:
        judge = partition_of(key, tick.partitions)
        for partition in range(tick.partitions):
            body = _encode(FeedRow(feed, turned, advanced, partition == judge))
            out.row_to("cells-rows", tick.n, partition, Row(key, RowKind.FEED, body))
    if feed != old:
        said = feed_record(feed, tick.network, tick.policy, tick.n, tick.at)
        out.record("feeds", feed.source, said)


def _is_held(source: str, tick: TickContext) -> bool:
    """Whether words of the source may hide behind an open transaction of a sender."""
    feed = tick.network.feed(source)
    held = tick.header.held
    return bool(held) and (feed is None or any(family in held for family in feed.families))


def _claimed(feed: FeedState, row: Row) -> FeedState:
    """What a heartbeat says. A claim of completeness counts up to T, never beyond."""
    if row.kind != RowKind.FACT:
        return feed
    beat = unpack(row.body)
    if not isinstance(beat, Heartbeat):
        return feed
    if beat.family is None:
        claimed = max(feed.complete_to or 0, beat.complete_to)
        return msgspec.structs.replace(feed, complete_to=claimed)
    families = dict(feed.families)
    families[beat.family] = max(families.get(beat.family, 0), beat.complete_to)
    return msgspec.structs.replace(feed, families=tuple(sorted(families.items())))
