"""Parking: rows that wait at keys whose evaluation failed, so that the tick can go on.

They wait in the log like any state, the rows of each tick by themselves. Whenever the key is
evaluated, for whatever reason, they are taken first, tick by tick, as they would have been; and
whenever network, policy or rules changed, everything parked is tried again: a release that mends
the fault changes the rules' version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from schemas.records import Parked
from schemas.units import instant
from streams.stages.keys import part, split_part
from streams.stages.rows import Row
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store

PARKED_TOPIC = "parked-state"


class ParkedRows(msgspec.Struct, array_like=True, frozen=True):
    """Rows that wait at a key because evaluating it failed: those of each tick, oldest first."""

    v: int
    due: int | None
    turns: list[list[Row]]
    error: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ParkedRows).decode


class Parking:
    """The parked rows of one stage partition. Transactional as a `Store` is."""

    def __init__(self, stage: str, partition: int) -> None:
        self._stage = stage
        self._partition = partition
        self._store = Store(1)
        self.commit = self._store.commit
        self.abort = self._store.abort

    def __len__(self) -> int:
        return len(self._store)

    def restore(self, key: str, value: bytes | None) -> None:
        """One record of the topic, which all stages share."""
        stage, name = split_part(key)
        if stage == self._stage:
            self._store.restore(name, value)

    def sorted_keys(self) -> list[str]:
        """The keys at which rows wait, sorted."""
        return self._store.sorted_keys()

    def turns(self, key: str) -> list[list[Row]]:
        """The rows that wait at the key, tick by tick, oldest first."""
        held = self._store.get(key)
        return [] if held is None else _decode(held).turns

    def park(
        self,
        key: str,
        turns: Sequence[Sequence[Row]],
        error: Exception,
        context: TickContext,
        out: Outputs,
    ) -> None:
        """These rows wait at the key from now on, all of them; told when that changes."""
        text = f"{type(error).__name__}: {error}"
        waiting = [list(rows) for rows in turns if rows]
        held = _encode(ParkedRows(1, None, waiting, text))
        if self._store.get(key) == held:
            return
        self._store.put(key, held)
        record = Parked(
            stage=self._stage,
            partition=self._partition,
            key=key.replace("\x00", " ").replace("\x01", ""),
            tick=context.n,
            at=instant(context.at),
            error=text,
            rows=sum(len(rows) for rows in waiting),
        )
        out.record("parked", self._name(key), record)

    def unpark(self, key: str, out: Outputs) -> None:
        """The key was evaluated; if it was parked it is no more."""
        if self._store.get(key) is not None:
            self._store.delete(key)
            out.record("parked", self._name(key), None)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The records of the topic that this transaction changes."""
        for key, value in self._store.pending().items():
            yield part(self._stage, key).encode(), value

    def _name(self, key: str) -> str:
        return part(f"{self._stage}/{self._partition}", key)
