"""What may be asked of the view over HTTP: the parameters of each question and their bounds.

Anything else in a query is refused, so that a misspelt filter is not taken for none.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from schemas import limits
from schemas.records import AlertState, Severity
from schemas.stock_records import StockStanding
from schemas.units import QUANTITY_SCALE

AnyId = Annotated[
    str,
    Path(
        min_length=1, max_length=limits.ASKED_ID_CHARS_MAX, description="May hold `/`; write # %23."
    ),
]


class Asked(BaseModel):
    """Base of what may be asked; anything else in the query is refused."""

    model_config = ConfigDict(extra="forbid")


class PageAsked(Asked):
    """Which page of a list."""

    limit: int = Field(100, ge=1, le=limits.PAGE_ENTRIES_MAX, description="Entries a page.")
    after: str | None = Field(
        None, max_length=limits.CURSOR_CHARS_MAX, description="`next_after` of the page before."
    )


class AlertsAsked(PageAsked):
    """Which alerts."""

    state: AlertState | None = Field(None, description="Only those open, or those resolved.")
    severity: Severity | None = Field(None, description="Only this severity or worse.")
    account: str | None = Field(
        None, max_length=limits.FILTER_CHARS_MAX, description="Only those hitting it."
    )
    rule: str | None = Field(
        None, max_length=limits.FILTER_CHARS_MAX, description="Only those of this rule."
    )


class StockAsked(PageAsked):
    """Which stock nodes."""

    standing: StockStanding | None = Field(None, description="Only those that stand so.")
    site: str | None = Field(None, max_length=limits.FILTER_CHARS_MAX, description="Only there.")
    item: str | None = Field(None, max_length=limits.FILTER_CHARS_MAX, description="Only of it.")


class PromiseAsked(Asked):
    """The order that does not exist yet."""

    item: str = Field(min_length=1, max_length=limits.FILTER_CHARS_MAX, description="Of what.")
    quantity: Decimal = Field(
        gt=0, max_digits=18, decimal_places=QUANTITY_SCALE, description="How much of it."
    )
    site: str = Field(min_length=1, max_length=limits.FILTER_CHARS_MAX, description="Where.")
    by: dt.date | None = Field(None, description="The latest date there.")
    unit: str | None = Field(
        None, max_length=limits.UNIT_LENGTH_MAX, description="Its unit; without one the item's own."
    )


class DeadLettersAsked(PageAsked):
    """Which dead letters."""

    source: str | None = Field(
        None, max_length=limits.FILTER_CHARS_MAX, description="Only this source's."
    )
    reason: str | None = Field(
        None, max_length=limits.FILTER_CHARS_MAX, description="Only refused for this."
    )
    retried: bool | None = Field(None, description="Only those that were, or were not, resent.")


class NotificationsAsked(PageAsked):
    """Which notifications."""

    undelivered: bool = Field(False, description="Only those that some sink still owes.")


class ExplanationAsked(Asked):
    """What to explain, and as of when."""

    id: str = Field(
        min_length=1,
        max_length=limits.ASKED_ID_CHARS_MAX,
        description="A line, stock node, alert, notification, feed or number.",
    )
    tick: int | None = Field(None, ge=0, description="As of this earlier tick.")
