"""Records of time and progress: ticks, and where each part of the engine stands.

They follow the promise that `schemas.records` makes to readers.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from schemas.records import Record

TICK_HEADER = "tick"
"""Header of what has no place for its tick: of a tombstone, and of a record of `partner-status`,
whose bytes are a partner's. The number of the tick that wrote it, in ASCII digits."""


class HeldPartition(Record, frozen=True, kw_only=True):
    """A partition of facts whose newest records hide behind an open transaction of a sender."""

    topic: str
    partition: int
    since: dt.datetime


class Tick(Record, frozen=True, kw_only=True):
    """Topic `ticks`. A cut through the log at time `at`.

    `cut` holds, per topic of facts, the offset per partition up to which facts belong to this
    tick (the last stable offset); `high` the high watermark. `complete` says that nothing that
    was readable lies behind the cut. `network`, `policy` and `rules` are the versions to use.
    `schemas` is the offset up to which topic `schemas` counts, None in ticks of a release that had
    no such topic.
    """

    n: int
    at: dt.datetime
    cut: dict[str, list[int]]
    high: dict[str, list[int]] = {}
    complete: bool = True
    held: tuple[HeldPartition, ...] = ()
    network: str = ""
    policy: str = ""
    rules: str = ""
    ticker: str = ""
    schemas: int | None = None


WORKER_STAGE = "worker"
"""The `stage` of a record of `progress` that tells of a worker itself: `topic` is its name, and
`counts` has the `partitions` that it was given, how many of them it is still `restoring`, of how
many partitions of others it keeps `copies`, and how many ids of a schema registry it waits to know,
`schemas_awaited`. `tick` is the newest that it knew."""

REBUILD_STAGE = "rebuild"
"""The `stage` of a record of `progress` that is there while a rebuild of the state as of its tick
is being written, and until one is: no worker goes on meanwhile. A tombstone ends it."""


class StageProgress(Record, frozen=True, kw_only=True):
    """Topic `progress`, key: stage and partition. The tick that a stage's partition stands at.

    Also the engine's own memory of where to go on: `offset` is the first record of the input that
    is not yet part of the state, `within` and `after` a large tick that is only partly done;
    `network`, `policy`, `rules` and `held` are those of the last tick that was done; `pending` are
    the rows that the stage sent to itself, to be taken at the next tick; `state_keys` and
    `state_sum` say how much state there is, so that a changelog that was damaged is found out.
    """

    stage: str
    topic: str
    partition: int
    tick: int
    at: dt.datetime | None = None
    offset: int
    within: int | None = None
    after: str | None = None
    worker: str = ""
    state_version: int = 1
    state_keys: int | None = None
    state_sum: int | None = None
    network: str = ""
    policy: str = ""
    rules: str = ""
    held: tuple[str, ...] = ()
    pending: int = 0
    counts: dict[str, int] = {}


_READY = tuple(msgspec.json.Decoder(kind) for kind in (Tick, StageProgress))
"""As in `schemas.records`: so that no two threads are the first to ask for a type."""
