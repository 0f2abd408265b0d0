"""notices: one queue per recipient, and the decision whether to tell.

Key: a recipient and an alert; all of a recipient's keys lie in one partition. Deciding is done
once and is exact; delivering is somebody else's work, at least once, under the notification's
stable id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts.notices import Told, decide
from schemas.records import Alert, decode
from schemas.units import UtcMillis
from streams.stages.incidents import AlertRow
from streams.stages.keys import split_part
from streams.stages.rows import Row
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store

STATE_VERSION = 1


class NoticeState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a recipient was told of one alert."""

    v: int
    due: UtcMillis | None
    told: Told


_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(NoticeState).decode
_decode_row = msgspec.msgpack.Decoder(AlertRow).decode


class Notices:
    """The notices stage, last in the line; it keeps nothing outside the store."""

    name = "notices"
    input_topic = "notices-rows"
    output_topic: str | None = None
    state_version = STATE_VERSION

    def changelogs(self) -> tuple[str, ...]:
        return ("notices-state",)

    def changelog_of(self, key: str) -> str:
        return "notices-state"

    def restored(self, store: Store) -> None:
        """Nothing is derived."""

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        return ()

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """Decides, for each change of the alert, whether the recipient hears of it."""
        recipient_id = split_part(key)[0]
        held = store.get(key)
        told = _decode_state(held).told if held is not None else None
        for row in rows:
            news = _decode_row(row.body)
            alert = decode(news.alert, Alert)
            decided = decide(
                told, alert, news.event, recipient_id, news.reaches, tick.policy, tick.network,
                tick.at, tick.n,
            )  # fmt: skip
            told = decided.told
            if decided.notification is not None:
                out.record("notifications", recipient_id, decided.notification)
            if decided.decision is not None:
                out.record("decisions", alert.alert_id, decided.decision)
        if told is None:
            store.delete(key)
        elif rows:
            store.put(key, _encode(NoticeState(STATE_VERSION, None, told)))
