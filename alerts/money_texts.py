"""The money of a line as readers see it: the record, and why it stands so, in one sentence."""

from __future__ import annotations

from typing import assert_never

from alerts.amounts import amount_text
from alerts.lines import LineSummary
from alerts.money import LineMoney
from alerts.settlement import Settlement
from alerts.texts import instant_or_none, moment
from schemas.payment_records import Clearance, LinePayment, PaidFor


def payment_record(line: LineSummary, settlement: Settlement | None) -> LinePayment | None:
    """The money of the line as `order-status` shows it; None where nobody told of any."""
    money = line.money
    if money is None or settlement is None:
        return None
    return LinePayment(
        paid_for=settlement.paid_for,
        clearance=settlement.clearance,
        why=f"{_paid(money, settlement)} {_free(settlement)}",
        currency=money.currency,
        invoiced_minor=money.invoiced_minor,
        credited_minor=money.credited_minor,
        authorised_minor=money.authorised_minor,
        paid_minor=money.paid_minor,
        refunded_minor=money.refunded_minor,
        asked_minor=settlement.asked_minor,
        open_minor=settlement.open_minor,
        due_at=instant_or_none(settlement.due_at),
        disputed=money.disputed is not None,
        invoices=tuple([each.number for each in money.invoices]),
        payments=money.payments,
        blind_feeds=(settlement.blind_feed,) if settlement.blind_feed else (),
    )


def _paid(money: LineMoney, settlement: Settlement) -> str:
    currency = money.currency
    asked = amount_text(settlement.asked_minor, currency)
    kept = amount_text(money.kept_minor, currency)
    match settlement.paid_for:
        case PaidFor.PAID:
            return f"All of {asked} is paid."
        case PaidFor.OVERPAID:
            return f"{kept} were paid, where {asked} are asked."
        case PaidFor.PARTLY_PAID:
            return f"{kept} of {asked} are paid{_due(settlement)}."
        case PaidFor.UNPAID:
            return f"Nothing of {asked} is paid{_due(settlement)}."
        case PaidFor.NOT_INVOICED:
            return "Nothing is invoiced or paid yet."
        case PaidFor.BLIND:
            return (
                f"Nobody can tell whether it is paid: {settlement.blind_feed}, which should tell, "
                "is blind."
            )
        case PaidFor.UNKNOWN:
            return f"{kept} are paid; what is asked for it nobody has told."
        case _:
            assert_never(settlement.paid_for)


def _due(settlement: Settlement) -> str:
    return "" if settlement.due_at is None else f"; due {moment(settlement.due_at)}"


def _free(settlement: Settlement) -> str:
    against = settlement.against
    match settlement.clearance:
        case Clearance.FREE:
            return "The goods are free to go."
        case Clearance.BLIND:
            return "Nobody can tell whether the goods are free to go."
        case Clearance.HELD:
            if against is None or against.kind == "held":
                at = "" if against is None else f" since {moment(against.at)}"
                return f"The goods are held for payment{at}."
            return f"The payment failed {moment(against.at)}: the goods wait for it."
        case _:
            assert_never(settlement.clearance)
