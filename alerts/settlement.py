"""Whether a line is paid for, and whether its goods are free to go.

**Paid for** compares what was paid and kept with what is asked: what its invoices ask for, else the
value of the order. **Free to go** is what nobody holds and for which no payment failed, whatever is
still open: on account, goods go before they are paid. What facts say stays true when a source falls
silent; that it is unpaid, or that nobody holds it, is not said while the source that should tell
is blind, nor where nobody was ever heard to tell of money at all.
"""

from __future__ import annotations

import msgspec

from alerts.evidence import Step, blind, refusal_of, supplier_feeds, telling
from alerts.lines import LineSummary
from alerts.money import Entry, Invoice, LineMoney
from alerts.view import LineView
from schemas.facts import Family
from schemas.payment_records import Clearance, PaidFor
from schemas.units import UtcMillis
from topology.network import Network


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """How the money of a line stands. `due_at` is when the first open amount falls due; `against`
    is what keeps the goods from going."""

    paid_for: PaidFor
    clearance: Clearance
    asked_minor: int | None
    open_minor: int | None
    due_at: UtcMillis | None
    against: Entry | None
    blind_feed: str = ""


def settlement_of(view: LineView) -> Settlement | None:
    """How the money of the line stands; None where nobody told of any."""
    money = view.line.money
    if money is None:
        return None
    hidden = blind(view, telling(view, Step.PAY))
    asked = asked_minor(view.line, money)
    open_minor = None if asked is None else max(0, asked - money.kept_minor)
    dues = [due_at(view, each) for each in money.invoices if each.open_minor]
    return Settlement(
        _paid_for(money, asked, hidden is not None),
        _clearance(money, asked, hidden is not None),
        asked,
        open_minor,
        min((due for due in dues if due is not None), default=None),
        money.held or money.failed,
        "" if hidden is None else hidden.feed,
    )


def asked_minor(line: LineSummary, money: LineMoney) -> int | None:
    """What is asked for the line: by its invoices, else by the order, in the money's currency."""
    if money.invoices:
        return money.asked_minor
    return line.value_minor if line.currency == money.currency else None


def _paid_for(money: LineMoney, asked: int | None, is_blind: bool) -> PaidFor:
    kept = money.kept_minor
    if asked is not None and kept > asked:
        return PaidFor.OVERPAID
    if asked is not None and kept == asked and (asked or money.invoices):
        return PaidFor.PAID
    if is_blind:
        return PaidFor.BLIND
    if asked is None:
        return PaidFor.UNKNOWN
    if kept > 0:
        return PaidFor.PARTLY_PAID
    return PaidFor.UNPAID if money.invoices else PaidFor.NOT_INVOICED


def _clearance(money: LineMoney, asked: int | None, is_blind: bool) -> Clearance:
    if money.held is not None:
        return Clearance.HELD
    is_covered = asked is not None and money.covered_minor >= asked
    if money.failed is not None and not is_covered:
        return Clearance.HELD
    if is_blind and not is_covered:
        return Clearance.BLIND
    return Clearance.FREE


def due_at(view: LineView, invoice: Invoice) -> UtcMillis | None:
    """When the invoice falls due, where it falls due; None without terms. Net days are counted
    from the day of the invoice there."""
    if invoice.due_at is not None:
        return invoice.due_at
    network, site = view.network, invoice.due_site or view.line.ship_to
    if invoice.due_on is not None:
        return network.due_at(site, invoice.due_on)
    if invoice.net_days is None:
        return None
    return network.due_at(site, network.local_day(site, invoice.issued.at) + invoice.net_days)


def is_settled(line: LineSummary, network: Network) -> bool:
    """Whether neither money nor the buyer's word is to be waited for, once nothing else is: the
    line is closed by word, all that is asked was paid, or nobody tells of money."""
    if line.is_over:
        return refusal_of(line, network) is None
    money = line.money
    if money is None:
        return not tells_of_money(line, network)
    if money.disputed is not None:
        return False
    if money.invoices:
        return not any(each.open_minor for each in money.invoices)
    asked = asked_minor(line, money)
    if asked is None:
        return not tells_of_money(line, network)
    return money.kept_minor >= asked


def tells_of_money(line: LineSummary, network: Network) -> bool:
    """Whether the network declares a source that tells of the money of such a line."""
    return bool(network.feeds and supplier_feeds(network, line, Family.PAYMENTS))
