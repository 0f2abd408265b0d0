"""What `GET /v1/status` answers: how far time has come, what holds it back, what needs a person."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from console.answers import Answer, AsOf, FeedStatus, HeldPartition, NotificationLine


class PartitionProgress(Answer):
    """Where one partition of a stage stands."""

    stage: str
    topic: str
    partition: int
    tick: int
    worker: str
    is_partly_done: bool = Field(description="A large tick is only partly evaluated.")


class StageStanding(Answer):
    """Where a stage stands over all its partitions."""

    stage: str
    partitions: int
    tick_min: int
    tick_max: int


class WorkerStanding(Answer):
    """A worker as its progress shows it: the partitions that it wrote last."""

    worker: str
    partitions: int
    tick_min: int


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
    that has not finished it; `held_sources` those of facts hidden behind a sender's transaction.
    """

    as_of: AsOf | None = Field(description="None until the view has read a whole tick.")
    newest_tick: AsOf | None = Field(description="The last tick written by the ticker.")
    newest_is_complete: bool
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
    view_checked_at: dt.datetime | None = Field(
        description="When the view was last level with the topics, by its own clock."
    )
    view_problem: str | None = Field(description="Why the view cannot read the topics, if so.")
