"""All rules, in the order in which they are judged and listed.

A rule says, of one line, one stock node or one source, that something is wrong, or why not. It is a
pure function of a view and its settings. `alerts.policy` and `alerts.judgement` import this
package; it knows neither, nor what becomes of a finding.
"""

from typing import Any

from alerts.node_view import NodeView
from alerts.prices import PriceView
from alerts.rules.books import ARRIVED_NEVER_DEPARTED, CONTRADICTING_FACTS, COUNT_DIFFERS
from alerts.rules.delivery import (
    DELIVERED_DAMAGED,
    DELIVERED_LATE,
    DELIVERED_OVER,
    DELIVERED_SHORT,
)
from alerts.rules.feeds import FEED_BLIND, FeedView
from alerts.rules.invoices import (
    INVOICED_PRICE,
    INVOICED_QUANTITY,
    PAID_OVER,
    PAYMENT_UNCLEAR,
    REFERENCE_AMBIGUOUS,
    UNIT_UNCLEAR,
)
from alerts.rules.payments import (
    DELIVERED_NOT_INVOICED,
    HELD_FOR_PAYMENT,
    PAID_NOT_MOVING,
    UNPAID_PAST_TERMS,
)
from alerts.rules.prices import PRICE_ACROSS_SITES
from alerts.rules.promise import (
    PROMISE_LATER_THAN_REQUESTED,
    PROMISE_MOVED,
    REJECTED,
    UNCONFIRMED,
)
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.rules.shipping import (
    EXPECTED_AFTER_PROMISE,
    LATE_TO_SHIP,
    OVERDUE_NO_NEWS,
    STUCK_IN_TRANSIT,
)
from alerts.rules.stock import BELOW_SAFETY_STOCK, OVERSTOCK, SHORTAGE_PROJECTED
from alerts.view import LineView

RULES_VERSION = "7"
"""Changes when a rule judges differently or one is added, so that every line is judged anew."""

LINE_RULES: tuple[Rule[LineView], ...] = (
    UNCONFIRMED,
    REJECTED,
    PROMISE_LATER_THAN_REQUESTED,
    PROMISE_MOVED,
    LATE_TO_SHIP,
    EXPECTED_AFTER_PROMISE,
    STUCK_IN_TRANSIT,
    OVERDUE_NO_NEWS,
    DELIVERED_LATE,
    DELIVERED_SHORT,
    DELIVERED_OVER,
    DELIVERED_DAMAGED,
    DELIVERED_NOT_INVOICED,
    UNPAID_PAST_TERMS,
    PAID_NOT_MOVING,
    HELD_FOR_PAYMENT,
    INVOICED_QUANTITY,
    INVOICED_PRICE,
    PAID_OVER,
    PAYMENT_UNCLEAR,
    REFERENCE_AMBIGUOUS,
    UNIT_UNCLEAR,
)

REFUSAL_RULES: tuple[Rule[LineView], ...] = (
    REJECTED,
    DELIVERED_LATE,
    DELIVERED_SHORT,
    DELIVERED_OVER,
    DELIVERED_DAMAGED,
)
"""What is still judged of a line that its supplier will not deliver, or not the rest of it: the
others wait for something that nobody expects any more."""

PRICE_RULES: tuple[Rule[PriceView], ...] = (PRICE_ACROSS_SITES,)
"""Judged on a line too, over all lines of its customer."""

STOCK_RULES: tuple[Rule[NodeView], ...] = (
    SHORTAGE_PROJECTED,
    BELOW_SAFETY_STOCK,
    OVERSTOCK,
    COUNT_DIFFERS,
    CONTRADICTING_FACTS,
    ARRIVED_NEVER_DEPARTED,
)

FEED_RULES: tuple[Rule[FeedView], ...] = (FEED_BLIND,)

RULES: tuple[Rule[Any], ...] = (*LINE_RULES, *PRICE_RULES, *STOCK_RULES, *FEED_RULES)

RULE_BY_NAME: dict[str, Rule[Any]] = {rule.name: rule for rule in RULES}

__all__ = [
    "BELOW_SAFETY_STOCK",
    "DELIVERED_LATE",
    "EXPECTED_AFTER_PROMISE",
    "FEED_BLIND",
    "FEED_RULES",
    "LATE_TO_SHIP",
    "LINE_RULES",
    "OVERDUE_NO_NEWS",
    "OVERSTOCK",
    "PRICE_ACROSS_SITES",
    "PRICE_RULES",
    "REFUSAL_RULES",
    "REJECTED",
    "RULES",
    "RULES_VERSION",
    "RULE_BY_NAME",
    "SHORTAGE_PROJECTED",
    "STOCK_RULES",
    "STUCK_IN_TRANSIT",
    "UNCONFIRMED",
    "FeedView",
    "Parameter",
    "Rule",
    "Settings",
    "Unit",
]
