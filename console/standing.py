"""What `GET /v1/status` answers: how far time has come, what holds it back, what needs a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Select, func, select

from console import tables
from console.answers import Answer, AsOf, FeedStatus, HeldPartition, NotificationLine
from console.reading import NotBuilt, answer, read_as_of, read_records
from console.rows import SEVERITY_RANK
from console.telling import as_notifications, owed_notifications
from schemas import records, ticks
from schemas.units import UtcMillis, instant

FLOW: tuple[str, ...] = ("intake", "links", "ledgers", "cells", "incidents", "notices")
"""The stages in the order in which a tick passes them."""

LISTED_MAX = 100
"""Parked keys and unreadable records that a status lists."""


class PartitionProgress(Answer):
    """Where one partition of a stage stands."""

    stage: str
    topic: str
    partition: int
    tick: int
    at: dt.datetime | None = Field(description="T of that tick: how far time has come here.")
    worker: str
    is_partly_done: bool = Field(description="A large tick is only partly evaluated.")


class StageStanding(Answer):
    """Where a stage stands over all its partitions."""

    stage: str
    partitions: int
    tick_min: int
    tick_max: int
    at_min: dt.datetime | None = Field(
        description="How far time has come in its slowest partition; None before the first tick."
    )


class WorkerStanding(Answer):
    """A worker as its progress shows it: the partitions that it wrote last."""

    worker: str
    partitions: int
    tick_min: int
    restoring: int = Field(description="Partitions whose state it is still reading back.")
    copies: int = Field(
        description="Partitions of other workers of whose state it keeps a copy, to take over soon."
    )
    schemas_awaited: int = Field(
        description="Ids of a schema registry that facts name and that it waits to know."
    )
    relays_to: int = Field(
        description="Subscribed parties whose topics it writes; one worker does."
    )
    relay_behind: int = Field(
        description="Offsets of partner-status that it had not passed on when it last looked."
    )
    webhooks: int = Field(description="Parties that it tells by webhook; one worker does.")
    webhooks_owed: int = Field(
        description="Lines that these wait to be told, suspended ones left out."
    )
    webhooks_failing: int = Field(
        description="Those of them whose address does not take what it is sent, or is suspended."
    )


class Parked(Answer):
    stage: str
    partition: int
    key: str
    tick: int
    at: dt.datetime
    error: str
    rows: int


class Count(Answer):
    """How many, and since when the oldest."""

    count: int
    oldest_at: dt.datetime | None = None


class Unreadable(Answer):
    """A record of an output topic that the view could not read."""

    topic: str
    partition: int
    offset: int
    error: str


class Status(Answer):
    """The whole system in one answer.

    `held_back_by` names the partitions that the newest tick waits for, those of the earliest stage
    that has not finished it. Any tick on its way has some; it is held back when `answered_at` is
    seconds after `newest_tick_read_at`. `held_sources` names the partitions of facts hidden behind
    a sender's transaction.
    """

    as_of: AsOf | None = Field(description="None until the view has read a whole tick.")
    newest_tick: AsOf | None = Field(description="The last tick written by the ticker.")
    newest_tick_read_at: dt.datetime | None = Field(
        description="When the view read the newest tick, by its own clock."
    )
    newest_is_complete: bool
    facts_behind: int = Field(
        description="Records of facts that were there at the newest tick and are not taken in yet."
    )
    held_back_by: tuple[PartitionProgress, ...]
    held_sources: tuple[HeldPartition, ...]
    stages: tuple[StageStanding, ...]
    partitions: tuple[PartitionProgress, ...]
    workers: tuple[WorkerStanding, ...]
    feeds: int
    blind_feeds: tuple[FeedStatus, ...]
    open_alerts: dict[str, int] = Field(description="Open alerts by severity.")
    order_lines: dict[str, int] = Field(description="Order lines by standing.")
    dead_letters: Count = Field(description="Dead letters that were not sent again.")
    unlinked: Count
    facts_waiting: int = Field(description="Facts that wait with the unlinked numbers.")
    parked: tuple[Parked, ...]
    undelivered: Count = Field(description="Notifications that some sink still owes.")
    oldest_undelivered: NotificationLine | None
    unreadable: tuple[Unreadable, ...]
    answered_at: dt.datetime = Field(description="Now, by the view's own clock.")
    view_checked_at: dt.datetime | None = Field(
        description="When the view was last level with the topics, by its own clock."
    )
    view_problem: str | None = Field(description="Why the view cannot read the topics, if so.")


def read_status(connection: Connection, now: UtcMillis) -> Status:
    """The whole system in one answer, `now` by the view's clock; answers before the first tick."""
    try:
        as_of = read_as_of(connection)
    except NotBuilt:
        as_of = None
    view = connection.execute(
        select(tables.state.c.checked_at, tables.state.c.problem, tables.state.c.tick_read_at)
    ).one()
    tick = tables.ticks.c
    written = read_records(
        connection, select(tick.body).order_by(tick.n.desc()).limit(1), ticks.Tick
    )
    newest = written[0] if written else None
    progress = read_records(connection, select(tables.progress.c.body), ticks.StageProgress)
    partitions = _partitions(progress)
    feed, letter, number = tables.feeds.c, tables.dead_letters.c, tables.unlinked.c
    blind = read_records(
        connection,
        select(feed.body).where(feed.blind.is_(True)).order_by(feed.source),
        records.FeedStatus,
    )
    waiting = connection.execute(select(func.sum(number.waiting))).scalar()
    undelivered, oldest = _undelivered(connection)
    alert, line = tables.alerts.c, tables.order_lines.c
    by_rank = _counts(
        connection,
        select(alert.severity_rank, func.count())
        .where(alert.state == records.AlertState.OPEN.value)
        .group_by(alert.severity_rank),
    )
    return Status(
        as_of=as_of,
        newest_tick=None if newest is None else AsOf(tick=newest.n, at=newest.at),
        newest_tick_read_at=_instant(view.tick_read_at),
        newest_is_complete=newest is not None and newest.complete,
        facts_behind=0 if newest is None else _facts_behind(progress, newest),
        held_back_by=() if newest is None else _held_back_by(partitions, newest.n),
        held_sources=tuple(
            HeldPartition.model_validate(held) for held in (newest.held if newest else ())
        ),
        stages=_stages(partitions),
        partitions=partitions,
        workers=_workers(partitions, progress),
        feeds=connection.execute(select(func.count()).select_from(tables.feeds)).scalar() or 0,
        blind_feeds=tuple(answer(FeedStatus, each) for each in blind),
        open_alerts={name.value: by_rank.get(rank, 0) for name, rank in SEVERITY_RANK.items()},
        order_lines=_counts(
            connection, select(line.standing, func.count()).group_by(line.standing)
        ),
        dead_letters=_count(
            connection,
            select(func.count(), func.min(letter.at)).where(letter.retried_at.is_(None)),
        ),
        unlinked=_count(connection, select(func.count(), func.min(number.since))),
        facts_waiting=int(waiting or 0),
        parked=_parked(connection),
        undelivered=undelivered,
        oldest_undelivered=oldest,
        unreadable=_unreadable(connection),
        answered_at=instant(now),
        view_checked_at=_instant(view.checked_at),
        view_problem=view.problem,
    )


def _facts_behind(progress: list[ticks.StageProgress], newest: ticks.Tick) -> int:
    taken = {(at.topic, at.partition): at.offset for at in progress if at.stage == FLOW[0]}
    return sum(
        max(0, end - taken.get((topic, number), 0))
        for topic, ends in newest.high.items()
        for number, end in enumerate(ends)
    )


def _partitions(progress: list[ticks.StageProgress]) -> tuple[PartitionProgress, ...]:
    stands = (
        PartitionProgress(
            stage=each.stage,
            topic=each.topic,
            partition=each.partition,
            tick=each.tick,
            at=each.at,
            worker=each.worker,
            is_partly_done=each.within is not None,
        )
        for each in progress
        if each.stage in FLOW
    )
    return tuple(sorted(stands, key=lambda at: (_place(at.stage), at.topic, at.partition)))


def _place(stage: str) -> tuple[int, str]:
    return (FLOW.index(stage) if stage in FLOW else len(FLOW), stage)


def _held_back_by(
    partitions: tuple[PartitionProgress, ...], newest: int
) -> tuple[PartitionProgress, ...]:
    behind = [at for at in partitions if at.tick < newest]
    return tuple(at for at in behind if at.stage == behind[0].stage)


def _stages(partitions: tuple[PartitionProgress, ...]) -> tuple[StageStanding, ...]:
    names = dict.fromkeys(at.stage for at in partitions)
    return tuple(
        StageStanding(
            stage=name,
            partitions=sum(1 for at in partitions if at.stage == name),
            tick_min=min(at.tick for at in partitions if at.stage == name),
            tick_max=max(at.tick for at in partitions if at.stage == name),
            at_min=_slowest(at for at in partitions if at.stage == name),
        )
        for name in names
    )


def _slowest(partitions: Iterable[PartitionProgress]) -> dt.datetime | None:
    """How far time has come in all of them; None if one has not finished a tick."""
    times = [each.at for each in partitions]
    known = [at for at in times if at is not None]
    return min(known) if known and len(known) == len(times) else None


def _workers(
    partitions: tuple[PartitionProgress, ...], progress: list[ticks.StageProgress]
) -> tuple[WorkerStanding, ...]:
    """Who wrote last, and who said that it restores, or waits to know schemas. Both hold up the
    tick in flight, so of what was said before a tick that is done by now nothing is left: that
    worker was killed.
    """
    done = min((at.tick for at in partitions if at.stage == FLOW[-1]), default=0)
    said = {at.worker: at.counts for at in progress if at.stage == ticks.WORKER_STAGE}
    holding = {
        at.worker: at.counts
        for at in progress
        if at.stage == ticks.WORKER_STAGE and at.tick >= done
    }
    names = {
        *(at.worker for at in partitions if at.worker),
        *(name for name, counts in holding.items() if counts.get("restoring", 0)),
    }
    return tuple(
        WorkerStanding(
            worker=name,
            partitions=sum(1 for at in partitions if at.worker == name),
            tick_min=min((at.tick for at in partitions if at.worker == name), default=0),
            restoring=holding.get(name, {}).get("restoring", 0),
            copies=said.get(name, {}).get("copies", 0),
            schemas_awaited=holding.get(name, {}).get("schemas_awaited", 0),
            relays_to=said.get(name, {}).get("parties", 0),
            relay_behind=said.get(name, {}).get("behind", 0),
            webhooks=said.get(name, {}).get("webhooks", 0),
            webhooks_owed=said.get(name, {}).get("webhooks_owed", 0),
            webhooks_failing=said.get(name, {}).get("webhooks_failing", 0),
        )
        for name in sorted(names)
    )


def _undelivered(connection: Connection) -> tuple[Count, NotificationLine | None]:
    told = tables.notifications.c
    owed = told.notification_id.in_(owed_notifications())
    count = _count(connection, select(func.count(), func.min(told.at)).where(owed))
    oldest = select(told.body).where(owed).order_by(told.at, told.notification_id).limit(1)
    found = read_records(connection, oldest, records.Notification)
    return count, (as_notifications(connection, found)[0] if found else None)


def _parked(connection: Connection) -> tuple[Parked, ...]:
    query = select(tables.parked.c.body).order_by(tables.parked.c.message_key).limit(LISTED_MAX)
    return tuple(answer(Parked, each) for each in read_records(connection, query, records.Parked))


def _unreadable(connection: Connection) -> tuple[Unreadable, ...]:
    bad = tables.unreadable.c
    query = select(tables.unreadable).order_by(bad.topic, bad.partition, bad.offset)
    found = connection.execute(query.limit(LISTED_MAX)).mappings()
    return tuple(Unreadable.model_validate(dict(row)) for row in found)


def _counts(connection: Connection, query: Select[Any]) -> dict[Any, int]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _count(connection: Connection, query: Select[Any, Any]) -> Count:
    count, oldest = connection.execute(query).one()
    return Count(count=count, oldest_at=_instant(oldest))


def _instant(at: UtcMillis | None) -> dt.datetime | None:
    return None if at is None else instant(at)
