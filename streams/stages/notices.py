"""notices: one queue per recipient, and the decision whether to tell.

Key: a recipient and an alert; all of a recipient's keys lie in one partition. Deciding is done
once and is exact; delivering is somebody else's work, at least once, under the notification's
stable id.

A recipient from whom something was withheld in shadow mode has one key more, after those of their
alerts. At the tick at which the mode ends, whatever they would hear goes to that key instead, every
open alert states itself anew because the policy is another, and the key's own evaluation, which
comes last, makes one summary of it all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts import summary
from alerts.notices import TOLD, Decided, Told, decide
from alerts.summary import Summary, summary_id
from schemas.records import Alert, AlertState, Decision, DecisionKind, decode
from schemas.units import UtcMillis
from streams.stages.incidents import AlertRow
from streams.stages.keys import part, split_part
from streams.stages.rows import Row
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store

STATE_VERSION = 1
SUMMARY_PART = "~summary"
"""Sorts after the ids of alerts, which are hexadecimal."""


class NoticeState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a recipient was told of one alert."""

    v: int
    due: UtcMillis | None
    told: Told


class SummaryState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was withheld from a recipient, and is gathered for their summary."""

    v: int
    due: UtcMillis | None
    summary: Summary


_encode = msgspec.msgpack.Encoder().encode
_decode_summary = msgspec.msgpack.Decoder(SummaryState).decode
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
        """Where a policy may have ended shadow mode, whoever something was withheld from."""
        if not tick.renewed or tick.policy.is_shadow:
            return ()
        return [key for key, _ in store.items() if split_part(key)[1] == SUMMARY_PART]

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """Decides, for each change of the alert, whether the recipient hears of it."""
        recipient_id, name = split_part(key)
        if name == SUMMARY_PART:
            _sum_up(key, recipient_id, store, tick, out)
            return
        held = store.get(key)
        told = _decode_state(held).told if held is not None else None
        gathering = _Gathering(part(recipient_id, SUMMARY_PART), recipient_id, store, tick)
        for row in rows:
            news = _decode_row(row.body)
            alert = decode(news.alert, Alert)
            decided = decide(
                told, alert, news.event, recipient_id, news.reaches, tick.policy, tick.network,
                tick.at, tick.n,
            )  # fmt: skip
            decided = gathering.take(told, alert, decided)
            told = decided.told
            if decided.notification is not None:
                out.record("notifications", recipient_id, decided.notification)
            if decided.decision is not None:
                out.record("decisions", alert.alert_id, decided.decision)
        if told is None:
            store.delete(key)
        elif rows:
            store.put(key, _encode(NoticeState(STATE_VERSION, None, told)))


class _Gathering:
    """What goes to a recipient's summary rather than to them, at one key and tick."""

    def __init__(self, key: str, recipient_id: str, store: Store, tick: TickContext) -> None:
        self._key = key
        self._recipient_id = recipient_id
        self._store = store
        self._tick = tick
        held = store.get(key)
        self._summary = None if held is None else _decode_summary(held).summary

    def take(self, told: Told | None, alert: Alert, decided: Decided) -> Decided:
        """What is left of the decision, after the summary has its part of it."""
        was_heard = told is not None and told.stakes is not None and told.is_heard
        is_said = decided.notification is not None
        if self._tick.policy.is_shadow:
            if is_said:
                so_far = self._summary or Summary()
                is_end = was_heard and decided.told is None
                self._put(summary.ended(so_far, alert) if is_end else so_far)
            return decided
        if self._summary is None:
            return decided
        after = decided.told
        if after is None:
            if is_said:
                self._put(summary.ended(self._summary, alert))
        elif after.stakes is not None and alert.state is AlertState.OPEN:
            if after.summary_tick != self._tick.n:
                self._put(summary.opened(self._summary, alert))
            after = msgspec.structs.replace(after, is_heard=True, summary_tick=self._tick.n)
        decision = self._referred(decided.decision) if is_said else decided.decision
        return Decided(after, None, decision)

    def _put(self, gathered: Summary) -> None:
        if gathered != self._summary:
            self._store.put(self._key, _encode(SummaryState(STATE_VERSION, None, gathered)))
        self._summary = gathered

    def _referred(self, decision: Decision | None) -> Decision | None:
        """The decision to tell, which names the summary as what tells it."""
        if decision is None:
            return None
        told_by = summary_id(self._recipient_id, self._tick.n)
        return msgspec.structs.replace(decision, notification_id=told_by)


def _sum_up(key: str, recipient_id: str, store: Store, tick: TickContext, out: Outputs) -> None:
    """The one notification at the end of shadow mode."""
    held = store.get(key)
    if held is None or tick.policy.is_shadow:
        return
    store.delete(key)
    recipient = tick.policy.recipients.get(recipient_id)
    if recipient is None:
        return
    sent = summary.notification(_decode_summary(held).summary, recipient, tick.n, tick.at)
    if sent is None:
        return
    out.record("notifications", recipient_id, sent)
    out.record(
        "decisions",
        sent.alert_id,
        Decision(
            subject=sent.alert_id,
            tick=tick.n,
            at=sent.at,
            kind=DecisionKind.NOTICE,
            what=TOLD,
            reason="summary at the end of shadow mode",
            alert_id=sent.alert_id,
            episode=sent.episode,
            revision=sent.revision,
            recipient=recipient_id,
            notification_id=sent.notification_id,
        ),
    )
