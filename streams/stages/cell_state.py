"""What a partition of cells keeps of each line, stock node and source; records of `cells-state`.

Fields are only ever added at the end, so that the next release reads what this one stored.
"""

from __future__ import annotations

import msgspec

from alerts.findings import Finding, RuleVerdict
from alerts.lines import FeedState
from alerts.plain_verdicts import StoredVerdict, recognised, restored
from schemas.units import UtcMillis
from streams.stages.partners import ToldParties

STATE_VERSION = 2

NUMBERED = 2
"""The first version whose plain verdicts are numbers."""


class CellLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A line, or a stock node, as its cell keeps it. `judged` is False where the cell only receives
    the line.

    `findings` are those stated to the incidents, `status` a digest of the last status written,
    `feeds` the sources whose silence would matter, `waits` whether a verdict waits for one.
    `grounds` is a digest of what that status was made from: while it is the same, so is the status.
    `nodes` are the stock nodes of the cell between which an open line goes, `told` the parties that
    have a record of the line.
    """

    v: int
    due: UtcMillis | None
    summary: bytes
    judged: bool
    verdicts: tuple[StoredVerdict, ...] = ()
    findings: tuple[Finding, ...] = ()
    status: bytes = b""
    feeds: tuple[str, ...] = ()
    waits: bool = False
    grounds: bytes = b""
    nodes: tuple[str, ...] = ()
    told: ToldParties = ()


class CellFeed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A source as a partition of cells keeps it; one partition of all judges the source."""

    v: int
    due: UtcMillis | None
    feed: FeedState
    judges: bool
    verdicts: tuple[StoredVerdict, ...] = ()
    findings: tuple[Finding, ...] = ()


class CellIndex(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The elements of a `CellLine` that the stage indexes; the others are passed over unread."""

    v: int
    due: UtcMillis | None
    summary: msgspec.Raw
    judged: bool
    verdicts: msgspec.Raw = msgspec.Raw()
    findings: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    feeds: tuple[str, ...] = ()
    waits: bool = False
    grounds: msgspec.Raw = msgspec.Raw()
    nodes: tuple[str, ...] = ()


def verdicts_of(old: CellLine | CellFeed | None) -> tuple[RuleVerdict, ...]:
    """The verdicts of the last time; none of what is new to the cell."""
    if old is None:
        return ()
    return recognised(old.verdicts) if old.v < NUMBERED else restored(old.verdicts)
