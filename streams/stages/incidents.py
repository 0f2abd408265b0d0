"""incidents: one root cause, everything it hits, and the life of its alert.

Key: an incident, which is an aspect and a cause. Its state is a header and one record a finding,
so that a cause with ten thousand consequences writes what changed and no more. Withdrawals are
taken before statements, so a line that moves between cells within a tick changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts.alert import Header, compose
from alerts.findings import Finding, alert_id_of
from alerts.incidents import Incident, State, advance
from alerts.notices import for_audience, recipients
from schemas.records import Alert
from schemas.units import UtcMillis
from streams.stages.keys import PART_MARK, part, split_part
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext
from streams.stages.statements import Withdrawal
from streams.stages.store import Store

STATE_VERSION = 1

_encode = msgspec.msgpack.Encoder().encode


class IncidentState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The header of an incident, as `alerts.incidents` keeps it, and who was last told of it."""

    v: int
    due: UtcMillis | None
    incident: Incident
    recipients: tuple[str, ...] = ()


class FindingState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One finding of an incident."""

    v: int
    due: UtcMillis | None
    finding: Finding


class AlertRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a recipient's queue is told: the alert as JSON, and what happened to it.

    `event` is None where nothing material changed for the recipient to hear of.
    """

    alert: bytes
    event: str | None
    reaches: bool


_decode_state = msgspec.msgpack.Decoder(IncidentState).decode
_decode_finding_state = msgspec.msgpack.Decoder(FindingState).decode
_decode_finding = msgspec.msgpack.Decoder(Finding).decode
_decode_withdrawal = msgspec.msgpack.Decoder(Withdrawal).decode


class Incidents:
    """The incidents stage. It indexes, from its store, the findings of each incident."""

    name = "incidents"
    input_topic = "incidents-rows"
    output_topic: str | None = "notices-rows"
    state_version = STATE_VERSION

    def __init__(self) -> None:
        self._findings: dict[str, set[str]] = {}
        self._stated: dict[str, set[str]] = {}
        """Findings that were stated in the transaction that is open."""

    def changelogs(self) -> tuple[str, ...]:
        return ("incidents-state",)

    def changelog_of(self, key: str) -> str:
        return "incidents-state"

    def restored(self, store: Store) -> None:
        """Indexes the findings by incident."""
        self._findings.clear()
        self.committed(dict(store.items()), store)

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Keeps the index in step."""
        self._stated.clear()
        for key, value in changed.items():
            if PART_MARK not in key:
                continue
            whole, name = split_part(key)
            if value is not None:
                self._findings.setdefault(whole, set()).add(name)
            elif whole in self._findings:
                self._findings[whole].discard(name)
                if not self._findings[whole]:
                    del self._findings[whole]

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """The index only ever follows what was committed."""
        self._stated.clear()

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        """A new policy or network may concern other people, and weigh what is open otherwise."""
        return [key for key in store.sorted_keys() if PART_MARK not in key] if tick.renewed else ()

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """One incident: takes what changed, moves its life on, and tells readers and recipients."""
        if PART_MARK in key:
            return
        held = store.get(key)
        old = _decode_state(held) if held is not None else None
        findings = self._take(key, rows, store)
        if old is None and not findings:
            return
        step = advance(
            old.incident if old is not None else None,
            key,
            findings,
            tick.at,
            tick.n,
            tick.policy,
            tick.network,
        )
        if step.incident is None:
            store.delete(key)
            out.record("alerts", alert_id_of(key), None)
            return
        if step.decision is not None:
            out.record("decisions", step.decision.subject, step.decision)
        told = old.recipients if old is not None else ()
        if step.alert is not None:
            out.record("alerts", step.alert.alert_id, step.alert)
            told = _tell(step.alert, step.event, findings, told, tick, out)
        elif step.incident.state is State.OPEN and (
            tick.renewed or (old is not None and old.incident.state is not State.OPEN)
        ):
            # Whom it concerns may have changed; who knows it already hears nothing.
            told = _tell(_composed(step.incident, findings, tick), None, findings, told, tick, out)
        store.put(key, _encode(IncidentState(STATE_VERSION, step.due, step.incident, told)))

    def _take(self, key: str, rows: Sequence[Row], store: Store) -> dict[str, Finding]:
        """The findings after this tick's withdrawals and statements, by `subject|rule`, sorted."""
        for row in rows:
            if row.kind == RowKind.WITHDRAW:
                gone = _decode_withdrawal(row.body)
                store.delete(part(key, f"{gone.subject}|{gone.rule}"))
        stated = self._stated.setdefault(key, set())
        for row in rows:
            if row.kind == RowKind.ASSERT:
                finding = _decode_finding(row.body)
                name = f"{finding.subject}|{finding.rule}"
                stated.add(name)
                state = FindingState(STATE_VERSION, None, finding)
                store.put(part(key, name), _encode(state))
        findings: dict[str, Finding] = {}
        for name in sorted(stated | self._findings.get(key, set())):
            value = store.get(part(key, name))
            if value is not None:
                findings[name] = _decode_finding_state(value).finding
        return findings


def _composed(incident: Incident, findings: Mapping[str, Finding], tick: TickContext) -> Alert:
    """The alert as it stands, at its present revision: nothing that readers see has changed."""
    header = Header(incident.key, incident.episode, incident.revision, incident.opened_at, tick.at)
    return compose(header, findings, tick.policy, tick.network, tick.n, tick.at)


def _tell(
    alert: Alert,
    event: str | None,
    findings: Mapping[str, Finding],
    before: Sequence[str],
    tick: TickContext,
    out: Outputs,
) -> tuple[str, ...]:
    """A row to each recipient's queue; one whom the alert no longer reaches is told that."""
    reached = {
        recipient.id: recipient for recipient in recipients(alert, tick.policy, tick.network)
    }
    for name in sorted(reached.keys() | set(before)):
        recipient = reached.get(name)
        seen = (
            alert
            if recipient is None
            else for_audience(alert, recipient, tick.network, tick.policy, findings)
        )
        body = _encode(AlertRow(msgspec.json.encode(seen), event, recipient is not None))
        key = part(name, alert.alert_id)
        out.row("notices-rows", tick.n, name, Row(key, RowKind.ALERT, body))
    return tuple(sorted(reached))
