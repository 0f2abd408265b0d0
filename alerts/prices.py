"""What one item costs one customer, line by line: prices to compare across its sites.

A *price list* holds the prices of one item, in one currency and one unit, over the lines of one
customer (`Network.customer_of`). A line's price is the one it was agreed at, its value over the
quantity that was ordered when the value was told; without a value what it is invoiced at. Another
price on an invoice than the agreed one is a matter of `invoiced_price`, and not told twice.

A price is an amount for a quantity, never divided: prices are compared by cross-multiplication.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from alerts.lines import LineSummary
from schemas.units import DAY_MS, Quantity, UtcMillis
from topology.network import Network

_BETWEEN = "\x02"
"""Ids hold no control characters."""


class Price(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """So much was asked for so much of the item, on a line that was placed then for that site.

    Fields are only ever added at the end: it is stored.
    """

    line_id: str
    site: str
    asked_minor: int
    quantity: Quantity
    at: UtcMillis
    buyer: str | None = None
    supplier: str | None = None

    def leaves_at(self, look_back_days: int) -> UtcMillis:
        """From when on its line was placed too long ago for it to be compared."""
        return self.at + look_back_days * DAY_MS

    def is_dearer(self, than: Price) -> bool:
        """A unit costs more."""
        return self.asked_minor * than.quantity > than.asked_minor * self.quantity


class PriceList(msgspec.Struct, frozen=True, gc=False):
    """Whose prices of what; `id` names it among the keys of a stage."""

    account: str
    item: str
    currency: str
    unit: str

    @property
    def id(self) -> str:
        """Its parts, joined as no id can be."""
        return _BETWEEN.join((self.account, self.item, self.currency, self.unit))

    @property
    def cause_id(self) -> str:
        """How an incident names it: NORDICS/BOLT@EUR@EA."""
        return f"{self.account}/{self.item}@{self.currency}@{self.unit}"


def price_list_of(list_id: str) -> PriceList:
    """The list of that `id`."""
    return PriceList(*list_id.split(_BETWEEN))


def priced(line: LineSummary, network: Network) -> tuple[PriceList, Price] | None:
    """The list that the line's price belongs to, and the price; None where it has none to compare:
    nobody says what it costs or when it was placed, it is for no customer, or it is given up."""
    if line.value_minor is None and line.money is None:
        return None
    if line.item is None or line.ship_to is None or line.unit is None or line.placed is None:
        return None
    if line.is_cancelled or line.is_rejected:
        return None
    asked = _asked(line)
    if asked is None:
        return None
    customer = network.customer_of(line.buyer, line.ship_to)
    if customer is None:
        return None
    asked_minor, quantity, currency = asked
    price = Price(
        line.line_id,
        line.ship_to,
        asked_minor,
        quantity,
        line.placed.at,
        line.buyer,
        line.supplier,
    )
    return PriceList(customer.id, line.item, currency, line.unit), price


def _asked(line: LineSummary) -> tuple[int, Quantity, str] | None:
    """What is asked for how much of it, in which currency."""
    if line.value_minor and line.valued_quantity and line.currency:
        return line.value_minor, line.valued_quantity, line.currency
    money = line.money
    if line.value_minor is not None or money is None or not money.currency:
        return None
    quantity = 0
    for invoice in money.invoices:
        if invoice.quantity is None or invoice.unit != line.unit:
            return None
        quantity += invoice.quantity
    if money.invoiced_minor <= 0 or quantity <= 0:
        return None
    return money.invoiced_minor, quantity, money.currency


class PriceView(msgspec.Struct, frozen=True, eq=False):
    """A line's price as the rule sees it. `lowest` is the lowest of those for other sites of the
    customer, None where there is none; `highest` the highest of all. `now` as in `LineView`."""

    listed: PriceList
    price: Price
    lowest: Price | None
    highest: Price
    now: UtcMillis


def views(listed: PriceList, prices: Sequence[Price], now: UtcMillis) -> Iterator[PriceView]:
    """Each price with the others that it is compared with. Of equal prices that of the smallest
    line id is named. Linear in the prices."""
    if not prices:
        return
    by_site: dict[str, Price] = {}
    highest = prices[0]
    for each in prices:
        known = by_site.get(each.site)
        if known is None or _before(each, known):
            by_site[each.site] = each
        if each.is_dearer(highest) or (
            not highest.is_dearer(each) and each.line_id < highest.line_id
        ):
            highest = each
    first = second = None
    for each in by_site.values():
        if first is None or _before(each, first):
            first, second = each, first
        elif second is None or _before(each, second):
            second = each
    for each in prices:
        lowest = second if first is not None and first.site == each.site else first
        yield PriceView(listed, each, lowest, highest, now)


def _before(one: Price, other: Price) -> bool:
    """Cheaper, or as cheap and of the smaller line id."""
    return other.is_dearer(one) or (not one.is_dearer(other) and one.line_id < other.line_id)
