"""What can be seen of a worker from outside: settings, failures, events, and its status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from schemas.ticks import Tick
from streams.engine.log import Partition
from streams.engine.moments import Failpoint, no_failpoint
from streams.engine.ticker import TickerSettings


class EngineFailure(Exception):
    """The engine cannot go on. `then` says what to do; `exit_code` is the process's."""

    def __init__(self, what: str, then: str, exit_code: int) -> None:
        super().__init__(f"{what}. {then}")
        self.what, self.then, self.exit_code = what, then, exit_code


EXIT_LOG = 4
EXIT_FENCED = 10
EXIT_STATE = 11


class TellingPartners(NamedTuple):
    """How partners are told by this worker: to how many parties it relays, how many records behind
    it was when it last looked; how many have a webhook, how many lines these wait to be told, and
    of how many the address does not take them."""

    parties: int = 0
    behind: int = 0
    webhooks: int = 0
    webhooks_owed: int = 0
    webhooks_failing: int = 0


def tells_nobody() -> TellingPartners:
    """What a worker says of partners that has none to tell."""
    return TellingPartners()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How the worker runs. `group` is the consumer group, `name` this worker's unique name;
    `partners` says how it tells partners; `failpoint` is for tests of survival."""

    group: str
    name: str
    records_max: int = 20_000
    facts_per_chunk: int = 20_000
    keys_per_chunk: int = 10_000
    buffered_max: int = 400_000
    poll_s: float = 0.005
    idle_poll_s: float = 0.05
    sync_timeout_s: float = 60.0
    ticker: TickerSettings = field(default_factory=TickerSettings)
    runs_ticker: bool = True
    has_standby: bool = False
    partners: Callable[[], TellingPartners] = tells_nobody
    failpoint: Failpoint = no_failpoint


class WorkerObserver(Protocol):
    """Who hears of what the worker does: metrics and logs. Called on the worker's thread."""

    def transaction(self, records: int, seconds: float) -> None: ...
    def aborted(self, reason: str) -> None: ...
    def facts(self, taken: int, refused: int) -> None: ...
    def ticked(self, tick: Tick) -> None: ...
    def assigned(self, partitions: Sequence[Partition]) -> None: ...
    def revoked(self, partitions: Sequence[Partition]) -> None: ...
    def restored(self, records: int, seconds: float) -> None: ...
    def trouble(self, text: str) -> None: ...


class Unobserved:
    """An observer that nobody looks at."""

    def transaction(self, records: int, seconds: float) -> None:
        """Nothing."""

    def aborted(self, reason: str) -> None:
        """Nothing."""

    def facts(self, taken: int, refused: int) -> None:
        """Nothing."""

    def ticked(self, tick: Tick) -> None:
        """Nothing."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Nothing."""

    def restored(self, records: int, seconds: float) -> None:
        """Nothing."""

    def trouble(self, text: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A snapshot of the worker. `tick_at` is the time T that has been reached everywhere; `copies`
    is of how many partitions of others it keeps the state, `copies_behind` how many changelogs of
    these are not read to the end yet; `schemas_awaited` ids of a registry that facts
    of the tick name and nothing is known of."""

    state: str
    name: str
    partitions: tuple[Partition, ...]
    restoring: tuple[Partition, ...]
    copies: int
    copies_behind: int
    tick: int
    tick_at: int | None
    in_flight: int | None
    waits_for: str
    schemas_awaited: int
    is_ticker: bool
    facts: int
    refused: int
    transactions: int
    aborts: int
    trouble: str
    network: str
    policy: str
