"""What a stage is, and what it is given at a tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alerts.policy import Policy
from schemas.records import Record, encode
from schemas.units import UtcMillis
from streams.stages.rows import Row, TickHeader, partition_of
from streams.stages.store import Store
from topology.network import Network


@dataclass(frozen=True, slots=True)
class TickContext:
    """A tick as a stage sees it: its header, the versions it names, and the engine's layout.

    `renewed` says that network, policy or rules differ from those of the last tick this partition
    evaluated (or this is its first), so that every key must be looked at again; `held_changed` that
    other topics of facts are held back than at the last tick.
    """

    header: TickHeader
    network: Network
    policy: Policy
    partitions: int
    partition: int = 0
    renewed: bool = False
    held_changed: bool = False

    @property
    def n(self) -> int:
        """Number of the tick."""
        return self.header.n

    @property
    def at(self) -> UtcMillis:
        """Time T of the tick: the only `now` that exists."""
        return self.header.at


@dataclass(slots=True)
class Outputs:
    """What an evaluation writes besides state: rows for stages, records for readers.

    Rows go to the partition of the key that the sender names, which may be a part of the row's
    key (a cell's lines lie together).
    """

    partitions: int
    rows: dict[tuple[str, int, int], list[Row]] = field(default_factory=dict)
    records: list[tuple[str, int, bytes, bytes | None]] = field(default_factory=list)

    def row(self, topic: str, tick: int, spread: str, row: Row) -> None:
        """One row to the partition of `spread`."""
        self.row_to(topic, tick, partition_of(spread, self.partitions), row)

    def row_to(self, topic: str, tick: int, partition: int, row: Row) -> None:
        """One row to a partition."""
        try:
            self.rows[topic, tick, partition].append(row)
        except KeyError:
            self.rows[topic, tick, partition] = [row]

    def rows_by_partition(self, topic: str, tick: int) -> list[list[Row]]:
        """The rows to each partition, to append to: for a stage that sends a row for each fact."""
        rows = self.rows
        return [rows.setdefault((topic, tick, n), []) for n in range(self.partitions)]

    def record(self, topic: str, key: str, record: Record | None) -> None:
        """One record for readers, on the partition of its key; None is a tombstone."""
        self.encoded(topic, key, None if record is None else encode(record))

    def encoded(self, topic: str, key: str, value: bytes | None) -> None:
        """As `record`, of one that is encoded already."""
        self.records.append((topic, partition_of(key, self.partitions), key.encode(), value))

    def take(self, other: Outputs) -> None:
        """Everything that another evaluation wrote, after what is here."""
        for key, rows in other.rows.items():
            self.rows.setdefault(key, []).extend(rows)
        self.records.extend(other.records)


class Stage(Protocol):
    """A keyed stage. What it derives from its store it keeps in step by the three hooks."""

    name: str
    input_topic: str
    output_topic: str | None
    state_version: int

    def changelog_of(self, key: str) -> str:
        """The changelog topic that keeps this key."""
        ...

    def changelogs(self) -> tuple[str, ...]:
        """All changelog topics of the stage."""
        ...

    def restored(self, store: Store) -> None:
        """The store was filled; rebuild what is derived from it."""
        ...

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        """Keys to evaluate besides those with rows and those due. A function of the rows and of
        state that this tick's own evaluation does not change, so that a tick can be resumed."""
        ...

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """Evaluates one key: rows sorted and without duplicates, possibly none."""
        ...

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """The store is about to take these changes; keep derived indexes in step."""
        ...

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """These changes did not happen; the store is as it was before them."""
        ...
