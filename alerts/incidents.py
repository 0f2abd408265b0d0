"""The life of an incident: one root cause and everything that it hits, from opening to resolution.

The life is a table, `TRANSITIONS`: from a state, on what its findings say, to a state, with the
event that people may hear of. A cell that is not there is an error. Room is left for what people
do: acknowledging and snoozing become signals and states of the same table.

An incident is told again only when it changed materially (the policy's `Materiality`); its alert,
which readers see, follows every change of what it says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import assert_never

import msgspec

from alerts.alert import Header, Stakes, compose, material_change, resolved, stakes_of
from alerts.findings import Finding, alert_id_of
from alerts.policy import Policy
from schemas.records import Alert, Decision, DecisionKind, decode, encode
from schemas.units import UtcMillis, instant
from topology.network import Network

__all__ = [
    "TRANSITIONS",
    "Advance",
    "Event",
    "IllegalTransition",
    "Incident",
    "Signal",
    "State",
    "advance",
    "alert_id_of",
]


class State(enum.StrEnum):
    """Where an incident is in its life. `clearing`: nothing is wrong any more, but it waits before
    it resolves, so that it does not flap; readers still see it open."""

    NEW = "new"
    OPEN = "open"
    CLEARING = "clearing"
    RESOLVED = "resolved"
    FORGOTTEN = "forgotten"


class Signal(enum.StrEnum):
    """What the findings say: there are some; there are none; none for long enough to resolve; none
    for long enough to forget."""

    FINDINGS = "findings"
    CLEAR = "clear"
    SETTLED = "settled"
    EXPIRED = "expired"


class Event(enum.StrEnum):
    """What people may hear of."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    REOPENED = "reopened"


TRANSITIONS: Mapping[tuple[State, Signal], tuple[State, Event | None]] = {
    (State.NEW, Signal.FINDINGS): (State.OPEN, Event.OPENED),
    (State.OPEN, Signal.FINDINGS): (State.OPEN, Event.UPDATED),
    (State.OPEN, Signal.CLEAR): (State.CLEARING, None),
    (State.OPEN, Signal.SETTLED): (State.RESOLVED, Event.RESOLVED),
    (State.CLEARING, Signal.FINDINGS): (State.OPEN, Event.UPDATED),
    (State.CLEARING, Signal.CLEAR): (State.CLEARING, None),
    (State.CLEARING, Signal.SETTLED): (State.RESOLVED, Event.RESOLVED),
    (State.RESOLVED, Signal.FINDINGS): (State.OPEN, Event.REOPENED),
    (State.RESOLVED, Signal.CLEAR): (State.RESOLVED, None),
    (State.RESOLVED, Signal.EXPIRED): (State.FORGOTTEN, None),
}
"""`updated` is an event only when the change is material."""


class IllegalTransition(Exception):
    """The table has no cell for that signal in that state: a fault of ours."""


class Incident(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The header of an incident, kept as state; its findings are kept beside it.

    `since` is when the state was entered. `stakes` are those that were last an event, `shown` a
    digest of what the last alert says, `last` that alert without its consequences.
    """

    key: str
    state: State
    episode: int
    revision: int
    opened_at: UtcMillis
    since: UtcMillis
    stakes: Stakes
    shown: bytes
    last: bytes

    @property
    def alert_id(self) -> str:
        """The id of its alert."""
        return alert_id_of(self.key)


@dataclass(frozen=True)
class Advance:
    """What became of an incident.

    `alert` is None when nothing that readers see changed, `event` and `decision` when nobody needs
    to hear of it, `incident` when it is forgotten. At `due` time alone changes it.
    """

    incident: Incident | None
    alert: Alert | None = None
    event: Event | None = None
    decision: Decision | None = None
    due: UtcMillis | None = None


def advance(
    incident: Incident | None,
    key: str,
    findings: Mapping[str, Finding],
    now: UtcMillis,
    tick: int,
    policy: Policy,
    network: Network,
) -> Advance:
    """The incident's life moved on by all findings that it has now, which may be none.

    `findings` ascend by `subject|rule`. Raises IllegalTransition for an incident that never was
    and has no findings.
    """
    state = State.NEW if incident is None else incident.state
    signal = _signal(incident, findings, now, policy)
    cell = TRANSITIONS.get((state, signal))
    if cell is None:
        raise IllegalTransition(f"{key}: {signal} while {state}")
    after, event = cell
    setting = _Setting(now, tick, policy, network)
    if incident is None or event is Event.REOPENED:
        return _open(incident, key, findings, event, setting)
    match after:
        case State.FORGOTTEN:
            return Advance(None)
        case State.OPEN:
            return _update(incident, findings, setting)
        case State.RESOLVED if event is Event.RESOLVED:
            return _resolve(incident, setting)
        case State.CLEARING if state is State.OPEN:
            clearing = msgspec.structs.replace(incident, state=after, since=now)
            return Advance(clearing, due=now + policy.resolve_hold_ms)
        case State.CLEARING:
            return Advance(incident, due=incident.since + policy.resolve_hold_ms)
        case State.RESOLVED:
            return Advance(incident, due=incident.since + policy.incident_ms)
        case State.NEW:
            raise IllegalTransition(f"{key}: nothing becomes {after} again")
        case _:
            assert_never(after)


@dataclass(frozen=True)
class _Setting:
    """When, and by which versions."""

    now: UtcMillis
    tick: int
    policy: Policy
    network: Network

    def alert(self, header: Header, findings: Mapping[str, Finding]) -> Alert:
        return compose(header, findings, self.policy, self.network, self.tick, self.now)


def _signal(
    incident: Incident | None, findings: Mapping[str, Finding], now: UtcMillis, policy: Policy
) -> Signal:
    if findings:
        return Signal.FINDINGS
    if incident is None:
        return Signal.CLEAR
    if incident.state is State.RESOLVED:
        is_over = now - incident.since >= policy.incident_ms
        return Signal.EXPIRED if is_over else Signal.CLEAR
    clear_since = incident.since if incident.state is State.CLEARING else now
    return Signal.SETTLED if now - clear_since >= policy.resolve_hold_ms else Signal.CLEAR


def _open(
    before: Incident | None,
    key: str,
    findings: Mapping[str, Finding],
    event: Event | None,
    setting: _Setting,
) -> Advance:
    now = setting.now
    episode, revision = (1, 1) if before is None else (before.episode + 1, before.revision + 1)
    alert = setting.alert(Header(key, episode, revision, now, now), findings)
    incident = Incident(
        key, State.OPEN, episode, revision, now, now, stakes_of(alert), _digest(alert), _kept(alert)
    )
    return Advance(incident, alert, event, _decision(alert, event, "first finding"))


def _update(incident: Incident, findings: Mapping[str, Finding], setting: _Setting) -> Advance:
    revision = incident.revision + 1
    header = Header(incident.key, incident.episode, revision, incident.opened_at, setting.now)
    alert = setting.alert(header, findings)
    digest = _digest(alert)
    since = incident.since if incident.state is State.OPEN else setting.now
    if digest == incident.shown:
        return Advance(msgspec.structs.replace(incident, state=State.OPEN, since=since))
    stakes = stakes_of(alert)
    change = material_change(incident.stakes, stakes, setting.policy.materiality)
    after = msgspec.structs.replace(
        incident,
        state=State.OPEN,
        since=since,
        revision=revision,
        stakes=incident.stakes if change is None else stakes,
        shown=digest,
        last=_kept(alert),
    )
    if change is None:
        return Advance(after, alert)
    decision = _decision(alert, Event.UPDATED, f"{change} changed")
    return Advance(after, alert, Event.UPDATED, decision)


def _resolve(incident: Incident, setting: _Setting) -> Advance:
    now = setting.now
    revision = incident.revision + 1
    header = Header(incident.key, incident.episode, revision, incident.opened_at, now)
    alert = resolved(decode(incident.last, Alert), header, setting.tick, now)
    after = msgspec.structs.replace(
        incident,
        state=State.RESOLVED,
        since=now,
        revision=revision,
        stakes=stakes_of(alert),
        shown=_digest(alert),
        last=_kept(alert),
    )
    decision = _decision(alert, Event.RESOLVED, "no finding left")
    return Advance(after, alert, Event.RESOLVED, decision, now + setting.policy.incident_ms)


_THEN = instant(0)


def _digest(alert: Alert) -> bytes:
    """Of everything that the alert says but when it was said."""
    timeless = msgspec.structs.replace(alert, tick=0, at=_THEN, updated_at=_THEN, revision=0)
    return blake2b(encode(timeless), digest_size=8).digest()


def _kept(alert: Alert) -> bytes:
    return encode(msgspec.structs.replace(alert, consequences=()))


def _decision(alert: Alert, event: Event | None, reason: str) -> Decision:
    return Decision(
        subject=alert.alert_id,
        tick=alert.tick,
        at=alert.at,
        kind=DecisionKind.ALERT,
        what=event.value if event is not None else "",
        reason=reason,
        alert_id=alert.alert_id,
        episode=alert.episode,
        revision=alert.revision,
    )
