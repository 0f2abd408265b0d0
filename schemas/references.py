"""References: what a fact is about, and which numbers it teaches us the meaning of.

A fact about stock is about its stock node, which has no other number; so nothing here is asked of
it. All other facts:

The subject of a fact is the first of these that it names:

| it names                                      | the subject                                     |
| --------------------------------------------- | ----------------------------------------------- |
| `order_ref` and `line`                        | that order line, `ACME/4711#10`                 |
| `supplier_ref` and `supplier_line`            | the supplier's line, `supplier:SUP/SO-9#1`      |
| `order_ref`                                   | the order, `order:ACME/4711`: all its lines     |
| `supplier_ref`                                | the supplier's order, `supplier:SUP/SO-9`       |
| `shipment_ref`                                | the shipment, `shipment:SUP/ASN-7`              |
| `carrier_ref`                                 | the carrier's number, `carrier:DHL/123`         |

Of a fact about money that names no line, the first of the invoice, `invoice:SUP/INV-7`, the order,
the supplier's order and the payment, `payment:BANK/P-1`: what is told of an invoice concerns its
lines, and not all of the order that it also names.

Every other number that stands for the subject, or holds it, is a link from that number to it:

| it also names                                 | the link                                        |
| --------------------------------------------- | ----------------------------------------------- |
| `order_ref`, in a `placed` with `line`        | the order → the line                            |
| `supplier_ref` and `supplier_line`            | the supplier's line → the subject               |
| `supplier_ref`                                | the supplier's order → the subject              |
| `shipment_ref`                                | the shipment → the subject                      |
| `carrier_ref`                                 | the carrier's number → the subject; beside a    |
|                                               | `shipment_ref` also → the shipment              |
| `invoice_ref`                                 | the invoice → the subject                       |
| `payment_ref`                                 | the payment → the subject                       |

The last because a carrier's number is another name of the whole shipment: what the carrier says
of it concerns every line in it. A buyer's order beside a supplier's line teaches nothing: which of
its lines that is remains open, and is never guessed.

A link may carry what the target is worth in the number: the line's value in its order, the line's
amount in its invoice. What is told of order or invoice is shared by these (`schemas.shares`).
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from schemas.facts import (
    Fact,
    Heartbeat,
    InventoryFact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
    line_id,
)


class LineTarget(msgspec.Struct, frozen=True, gc=False, tag="line"):
    """An order line, by its id."""

    line_id: str


class NumberTarget(msgspec.Struct, frozen=True, gc=False, tag="number"):
    """A number, by its key: scope, colon, OWNER/NUMBER; a supplier's line ends in `#LINE`."""

    number: str


Target: TypeAlias = LineTarget | NumberTarget


class Link(msgspec.Struct, frozen=True, gc=False):
    """Whatever is told of the number concerns the target, which in minor units is worth so much
    of it by this fact (None: the fact does not say)."""

    number: str
    target: Target
    worth_minor: int | None = None


class References(msgspec.Struct, frozen=True, gc=False):
    """What a fact is about, and the links that it teaches; None and none when it names nothing."""

    subject: Target | None
    links: tuple[Link, ...] = ()


def order_number(order_ref: str) -> str:
    """The key of a buyer's order."""
    return f"order:{order_ref}"


def supplier_number(supplier_ref: str, supplier_line: str | None = None) -> str:
    """The key of a supplier's order, or of a line of it."""
    if supplier_line is None:
        return f"supplier:{supplier_ref}"
    return f"supplier:{supplier_ref}#{supplier_line}"


def shipment_number(shipment_ref: str) -> str:
    """The key of a shipment."""
    return f"shipment:{shipment_ref}"


def carrier_number(carrier_ref: str) -> str:
    """The key of a carrier's number of a shipment."""
    return f"carrier:{carrier_ref}"


def invoice_number(invoice_ref: str) -> str:
    """The key of an invoice."""
    return f"invoice:{invoice_ref}"


def payment_number(payment_ref: str) -> str:
    """The key of a payment."""
    return f"payment:{payment_ref}"


def owner_of(reference: str) -> str:
    """The party that issued the number, as it stands in a fact: `ACME` of `ACME/4711`."""
    return reference.partition("/")[0]


def number_owner(number: str) -> str:
    """The party that issued the number, of its key: `ACME` of `order:ACME/4711`."""
    return owner_of(number.partition(":")[2])


def is_payment(number: str) -> bool:
    """Whether the key is that of a payment."""
    return number.startswith("payment:")


def is_supplier_line(number: str) -> bool:
    """Whether the key is that of a supplier's line: it can stand for one order line only."""
    return number.startswith("supplier:") and "#" in number


def find_only_line(fact: Fact) -> str | None:
    """The line id, if the fact is about that line and teaches nothing: what `references` would
    find of most facts, for a fifth of its time."""
    if isinstance(fact, Heartbeat | InventoryFact) or fact.supplier_ref is not None:
        return None
    if isinstance(fact, OrderFact):
        if _is_of_order(fact):
            return None
    elif isinstance(fact, ShipmentFact):
        if fact.shipment_ref is not None or fact.carrier_ref is not None:
            return None
    elif fact.invoice_ref is not None or fact.payment_ref is not None:
        return None
    order_ref, line = fact.order_ref, fact.line
    return None if order_ref is None or line is None else line_id(order_ref, line)


def _is_of_order(fact: OrderFact) -> bool:
    """Whether it says that a line is of its order, or anew what it is worth there."""
    return fact.kind == "placed" or (fact.kind == "changed" and fact.value_minor is not None)


def references(fact: OrderFact | ShipmentFact | PaymentFact) -> References:
    """What a fact that passed `validation.check` is about, and what it teaches; about 1 µs.

    Pure; the links are in the order of the table above.
    """
    if isinstance(fact, PaymentFact):
        return _payment_references(fact)
    order_ref, supplier_ref = fact.order_ref, fact.supplier_ref
    shipment_ref = carrier_ref = None
    if isinstance(fact, ShipmentFact):
        shipment_ref, carrier_ref = fact.shipment_ref, fact.carrier_ref
    if supplier_ref is shipment_ref is carrier_ref is None and order_ref and fact.line:
        # Nearly every fact of an order: no list is needed to find at most one link.
        subject: Target = LineTarget(line_id(order_ref, fact.line))
        if isinstance(fact, OrderFact) and _is_of_order(fact):
            link = Link(order_number(order_ref), subject, fact.value_minor)
            return References(subject, (link,))
        return References(subject)
    numbers: list[str] = []
    links: list[Link] = []
    if supplier_ref is not None:
        if fact.supplier_line is not None:
            numbers.append(supplier_number(supplier_ref, fact.supplier_line))
        numbers.append(supplier_number(supplier_ref))
    if shipment_ref is not None:
        numbers.append(shipment_number(shipment_ref))
    if carrier_ref is not None:
        numbers.append(carrier_number(carrier_ref))
    if order_ref is not None and fact.line is not None:
        subject = LineTarget(line_id(order_ref, fact.line))
        if isinstance(fact, OrderFact) and _is_of_order(fact):
            links.append(Link(order_number(order_ref), subject, fact.value_minor))
    elif order_ref is not None and fact.supplier_line is None:
        subject = NumberTarget(order_number(order_ref))
    elif numbers:
        subject = NumberTarget(numbers.pop(0))
    else:
        return References(None)
    links += [Link(number, subject) for number in numbers]
    if carrier_ref is not None and shipment_ref is not None:
        shipment = NumberTarget(shipment_number(shipment_ref))
        if subject != shipment:
            links.append(Link(carrier_number(carrier_ref), shipment))
    return References(subject, tuple(links))


_WORTH_SIGNS = {"invoiced": 1, "credited": -1}


def _payment_references(fact: PaymentFact) -> References:
    """As `references`: of what is told of money the most exact thing that it names."""
    order_ref, supplier_ref, supplier_line = fact.order_ref, fact.supplier_ref, fact.supplier_line
    subject: Target | None = None
    links: list[Link] = []
    if order_ref is not None and fact.line is not None:
        subject = LineTarget(line_id(order_ref, fact.line))
        if supplier_ref is not None and supplier_line is not None:
            links.append(Link(supplier_number(supplier_ref, supplier_line), subject))
    elif supplier_ref is not None and supplier_line is not None:
        subject = NumberTarget(supplier_number(supplier_ref, supplier_line))
    names_line = subject is not None
    if supplier_ref is not None and subject is not None:
        links.append(Link(supplier_number(supplier_ref), subject))
    if fact.invoice_ref is not None:
        invoice = invoice_number(fact.invoice_ref)
        if subject is None:
            subject = NumberTarget(invoice)
        else:
            sign = _WORTH_SIGNS.get(fact.kind)
            worth = None if sign is None or fact.value_minor is None else sign * fact.value_minor
            links.append(Link(invoice, subject, worth))
    elif not names_line and order_ref is not None:
        subject = NumberTarget(order_number(order_ref))
    elif not names_line and supplier_ref is not None:
        subject = NumberTarget(supplier_number(supplier_ref))
    if fact.payment_ref is not None:
        payment = payment_number(fact.payment_ref)
        if subject is None:
            subject = NumberTarget(payment)
        else:
            links.append(Link(payment, subject))
    return References(subject, tuple(links))
