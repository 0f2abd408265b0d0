"""Who is told of an alert, what of it they see, and whether they hear of a change.

Deciding is a pure function of what the recipient was told before (`Told`) and of the alert as they
see it; each decision names its reason. A notification's id is a hash of the decision: recipient,
alert, when its episode opened, episode, revision, tick and event. The same decision made again has
the same id, so that whoever receives it twice may drop the second; an alert that was forgotten and
returns, or that concerns somebody anew, has another. Digests and quiet hours will be further
reasons to hold a notification back; `Told` then remembers what is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from alerts import texts
from alerts.alert import Stakes, for_accounts, material_change, stakes_of
from alerts.findings import Finding, severity_rank
from alerts.incidents import Event
from alerts.policy import DEFAULT, Policy
from alerts.terms import OPERATIONS, Recipient
from schemas.records import Alert, AlertState, Decision, DecisionKind, Notification
from schemas.units import UtcMillis, instant, millis
from topology.network import Network

TOLD = "told"
MUTED = "muted"
WITHHELD = "withheld"
NO_LONGER_CONCERNED = "no longer concerned"


class Told(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a recipient was told of one alert: the stakes, as of when, or why nothing.

    `is_heard` is False while all that they would have heard of this episode was withheld, in shadow
    mode; `summary_tick` is the tick whose summary told it.
    """

    episode: int
    revision: int
    stakes: Stakes | None
    muted: str = ""
    is_heard: bool = True
    summary_tick: int = 0


@dataclass(frozen=True)
class Decided:
    """What to remember (None: nothing), what to send, and the reason for either."""

    told: Told | None
    notification: Notification | None = None
    decision: Decision | None = None


def recipients(alert: Alert, policy: Policy, network: Network) -> tuple[Recipient, ...]:
    """Whom the alert concerns, by id: operations, and the account managers of its accounts."""
    managers = {network.account_manager(account) for account in alert.accounts}
    return tuple(
        each
        for each in policy.recipients.values()
        if each.audience == OPERATIONS or each.id in managers
    )


def unrouted(policy: Policy, network: Network) -> tuple[str, ...]:
    """The account managers that the network names and the policy does not know, by id: of their
    accounts nobody is told but operations."""
    named = {account.account_manager for account in network.accounts.values()}
    return tuple(sorted(named - policy.recipients.keys() - {""}))


def for_audience(
    alert: Alert,
    recipient: Recipient,
    network: Network,
    policy: Policy = DEFAULT,
    findings: Mapping[str, Finding] | None = None,
) -> Alert:
    """The alert as the recipient may see it: operations all of it, an account manager what hits
    their accounts (see `alert.for_accounts`, also for `findings`)."""
    if recipient.audience == OPERATIONS:
        return alert
    accounts = [
        account for account in alert.accounts if network.account_manager(account) == recipient.id
    ]
    return for_accounts(alert, accounts, network, policy, findings)


def decide(  # noqa: PLR0913, PLR0917 - what was told, what is now, to whom, by which versions
    told: Told | None,
    alert: Alert,
    event: str | None,
    recipient_id: str,
    reaches: bool,
    policy: Policy,
    network: Network,
    now: UtcMillis,
    tick: int,
) -> Decided:
    """Whether the recipient hears of the alert as they see it now.

    `event` is what happened to the incident as a whole; a part of it may change materially when the
    whole does not, so what the recipient was told decides. `event` is None where nothing happened
    to it: then who now is concerned and knows nothing of it hears of it, subject to their minimum
    severity, and to all others nothing is to be said. `reaches` is False when the alert no longer
    concerns them; who was told hears that once. Without a notification a decision is made only when
    its reason is new. In shadow mode all of that is decided as ever, of what they would have heard;
    what was withheld counts as never said once it is over.
    """
    if told is not None and not told.is_heard and not policy.is_shadow:
        told = msgspec.structs.replace(told, stakes=None, muted="", is_heard=True)
    recipient = policy.recipients.get(recipient_id)
    if told is None and (not reaches or (event is None and alert.state is AlertState.RESOLVED)):
        return Decided(None)
    if not reaches:
        alert = msgspec.structs.replace(
            alert,
            state=AlertState.RESOLVED,
            value_at_risk=(),
            accounts=(),
            consequences=(),
            consequence_count=0,
        )
    letter = _Letter(alert, recipient_id, recipient, network, now, tick, policy.is_shadow)
    if recipient is None:
        return letter.mute(None, None if told is None else told.muted, "no longer a recipient")
    was_told = told is not None and told.stakes is not None
    if alert.state is AlertState.RESOLVED:
        if not was_told:
            return letter.mute(None, None if told is None else told.muted, "never told of it")
        return letter.tell(None, Event.RESOLVED, "resolved" if reaches else NO_LONGER_CONCERNED)
    stakes = stakes_of(alert)
    is_heard = not policy.is_shadow or (
        was_told and told is not None and told.is_heard and told.episode == alert.episode
    )
    now_told = Told(alert.episode, alert.revision, stakes, is_heard=is_heard)
    if told is None or told.stakes is None or told.episode != alert.episode:
        if severity_rank(alert.severity) < severity_rank(recipient.minimum_severity):
            muted = Told(alert.episode, alert.revision, None, "below minimum severity")
            return letter.mute(muted, None if told is None else told.muted, muted.muted)
        if told is None and event not in {Event.OPENED, Event.REOPENED}:
            return letter.tell(now_told, Event.OPENED, "newly concerned")
        first = Event.OPENED if alert.episode == 1 else Event.REOPENED
        return letter.tell(now_told, first, "first notification")
    if event is None and stakes == told.stakes:
        return Decided(told)
    change = material_change(told.stakes, stakes, policy.materiality)
    if change is not None:
        return letter.tell(now_told, Event.UPDATED, f"{change} changed")
    reason = "no material change"
    kept = msgspec.structs.replace(told, muted=reason)
    return letter.mute(kept, told.muted if event is None else None, reason)


@dataclass(frozen=True)
class _Letter:
    """What every decision on one alert and one recipient has in common."""

    alert: Alert
    recipient_id: str
    recipient: Recipient | None
    network: Network
    now: UtcMillis
    tick: int
    is_shadow: bool

    def mute(self, told: Told | None, muted_before: str | None, reason: str) -> Decided:
        """Nothing is sent; said once for each reason."""
        if muted_before == reason:
            return Decided(told)
        return Decided(told, None, self._decision(MUTED, reason, None))

    def tell(self, told: Told | None, event: Event, reason: str) -> Decided:
        """A notification goes out, or, in shadow mode, would have gone out."""
        notification = self._notification(event, reason)
        what = WITHHELD if self.is_shadow else TOLD
        decision = self._decision(what, reason, notification.notification_id)
        return Decided(told, notification, decision)

    def _decision(self, what: str, reason: str, notification_id: str | None) -> Decision:
        alert = self.alert
        return Decision(
            subject=alert.alert_id,
            tick=self.tick,
            at=instant(self.now),
            kind=DecisionKind.NOTICE,
            what=what,
            reason=reason,
            alert_id=alert.alert_id,
            episode=alert.episode,
            revision=alert.revision,
            recipient=self.recipient_id,
            notification_id=notification_id,
        )

    def _notification(self, event: Event, reason: str) -> Notification:
        alert = self.alert
        life = f"{alert.alert_id}|{millis(alert.opened_at)}|{alert.episode}|{alert.revision}"
        identity = f"{self.recipient_id}|{life}|{self.tick}|{event}"
        is_theirs = reason != NO_LONGER_CONCERNED
        sinks = self.recipient.sinks if self.recipient else ()
        return Notification(
            notification_id=blake2b(identity.encode(), digest_size=12).hexdigest(),
            recipient=self.recipient_id,
            audience=self.recipient.audience if self.recipient else "",
            sinks=() if self.is_shadow else sinks,
            tick=self.tick,
            at=instant(self.now),
            event=event,
            alert_id=alert.alert_id,
            episode=alert.episode,
            revision=alert.revision,
            severity=alert.severity,
            title=alert.title,
            text=texts.notification_text(alert, event, self.network, is_theirs),
            next_step=alert.next_step,
            alert=alert,
            shadow=self.is_shadow,
            withheld_sinks=sinks if self.is_shadow else (),
        )
