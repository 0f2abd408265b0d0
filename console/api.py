"""The HTTP API over the read model: it reads, each answer as of one tick (docs/http-api.md)."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from console import (
    answers,
    examples,
    problems,
    promise,
    promise_examples,
    queries,
    stock,
    stock_examples,
)
from console.database import Database, State
from console.explanation import Explanation, explain
from console.metrics import CONTENT_TYPE, write_metrics
from console.questions import (
    AlertsAsked,
    AnyId,
    Asked,
    DeadLettersAsked,
    ExplanationAsked,
    NotificationsAsked,
    PageAsked,
    PromiseAsked,
    StockAsked,
)
from console.standing import Status, read_status
from console.telling import list_notifications
from schemas import promise_records
from schemas.promise_records import Promising
from schemas.units import SECOND_MS, instant

READY_WITHIN_SECONDS = 10
"""A view that was not level with the topics for longer is not ready."""

DESCRIPTION = """\
What Slipwatch knows, as of one tick: everything up to it and nothing after it.

Times are RFC 3339 in UTC, quantities decimal strings, money integer minor units. Lists are paged:
send `next_after` of one page as `after` for the next. Refusals are `application/problem+json`.
Fields are only ever added: ignore those that you do not know.
"""


class Health(BaseModel):
    """The process answers; nothing is said of what it knows."""

    healthy: bool = True


class Readiness(BaseModel):
    """The view is level with the topics."""

    ready: bool
    as_of: answers.AsOf
    checked_at: dt.datetime


def create_app(
    database: Database,
    promising: Promising,
    *,
    ready_within_seconds: int = READY_WITHIN_SECONDS,
    version: str = "1",
) -> FastAPI:
    """The API over one database; it opens nothing else and writes nothing. `promising` answers for
    orders that do not exist yet."""
    app = FastAPI(title="Slipwatch", description=DESCRIPTION, version=version)
    problems.install(app)

    @app.exception_handler(SQLAlchemyError)
    def _database_fails(_: Request, error: SQLAlchemyError) -> JSONResponse:
        detail = "The view's database does not answer."
        return problems.respond(503, detail, "Ask again; if it stays so, see the view's log.")

    _add_orders(app, database)
    _add_stock(app, database)
    _add_promise(app, database, promising)
    _add_alerts(app, database)
    _add_delivery(app, database)
    _add_intake(app, database)
    _add_operation(app, database, ready_within_seconds)
    schema = app.openapi()
    schema["components"]["schemas"]["Problem"] = problems.Problem.model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    _lift_definitions(schema)
    return app


def _add_orders(app: FastAPI, database: Database) -> None:
    @app.get(
        "/v1/orders/{number:path}",
        tags=["orders"],
        summary="Order lines by line id, order, shipment or any other known number",
        responses=_responses(examples.ORDER, 404, 422, 503),
    )
    def get_order(number: AnyId, page: Annotated[PageAsked, Query()]) -> answers.OrderAnswer:
        """With or without the party that issued the number: `ACME/4711` or `4711`."""
        with database.reading() as connection:
            return queries.find_order(connection, number, limit=page.limit, after=page.after)

    @app.get(
        "/v1/explain",
        tags=["orders", "alerts"],
        summary="Why Slipwatch says what it says of a line, stock node, feed, alert or notice",
        responses=_responses(examples.EXPLANATION, 404, 409, 422, 503),
    )
    def get_explanation(asked: Annotated[ExplanationAsked, Query()]) -> Explanation:
        """Facts with sources and ages, baselines, every rule's verdict, and who was told."""
        with database.reading() as connection:
            return explain(connection, asked.id, tick=asked.tick)


def _add_stock(app: FastAPI, database: Database) -> None:
    @app.get(
        "/v1/stock",
        tags=["stock"],
        summary="Stock nodes (an item at a site), those that need somebody first",
        responses=_responses(stock_examples.STOCK, 422, 503),
    )
    def get_stock(asked: Annotated[StockAsked, Query()]) -> stock.StockAnswer:
        """Short first, then low, blind, unknown, over and enough."""
        with database.reading() as connection:
            return stock.list_stock(
                connection,
                standing=asked.standing,
                site=asked.site,
                item=asked.item,
                limit=asked.limit,
                after=asked.after,
            )

    @app.get(
        "/v1/stock/{node_id:path}",
        tags=["stock"],
        summary="One stock node: its balance, and what is projected day by day",
        responses=_responses(stock_examples.STOCK_NODE, 404, 422, 503),
    )
    def get_stock_node(node_id: AnyId, _: Annotated[Asked, Query()]) -> stock.StockNodeAnswer:
        """Its id is `ITEM@SITE`."""
        with database.reading() as connection:
            return stock.show_stock(connection, node_id)


def _add_promise(app: FastAPI, database: Database, promising: Promising) -> None:
    @app.get(
        "/v1/promise",
        tags=["stock", "orders"],
        summary="A date for an order that does not exist yet, and what it rests on",
        responses=_responses(promise_examples.PROMISE, 404, 422, 503),
    )
    def get_promise(asked: Annotated[PromiseAsked, Query()]) -> promise.PromiseAnswer:
        """From stock that nobody needs; nothing is reserved by asking."""
        with database.reading() as connection:
            question = promise_records.PromiseAsked(**asked.model_dump())
            return promise.ask_promise(connection, promising, question)


def _add_alerts(app: FastAPI, database: Database) -> None:
    @app.get(
        "/v1/alerts",
        tags=["alerts"],
        summary="Alerts, the most severe first, then the newest",
        responses=_responses(examples.ALERTS, 422, 503),
    )
    def get_alerts(asked: Annotated[AlertsAsked, Query()]) -> answers.AlertsAnswer:
        """Without filters: all that are open and all that are resolved and still kept."""
        with database.reading() as connection:
            return queries.list_alerts(
                connection,
                state=asked.state,
                severity=asked.severity,
                account=asked.account,
                rule=asked.rule,
                limit=asked.limit,
                after=asked.after,
            )

    @app.get(
        "/v1/alerts/{alert_id:path}",
        tags=["alerts"],
        summary="One alert with its episodes and revisions, and who was told",
        responses=_responses(examples.ALERT, 404, 422, 503),
    )
    def get_alert(alert_id: AnyId, _: Annotated[Asked, Query()]) -> answers.AlertAnswer:
        """Revisions, steps of its life and notices, each the oldest first."""
        with database.reading() as connection:
            return queries.show_alert(connection, alert_id)


def _add_delivery(app: FastAPI, database: Database) -> None:
    @app.get(
        "/v1/notifications",
        tags=["delivery"],
        summary="Notifications and how their deliveries stand, the newest first",
        responses=_responses(examples.NOTIFICATIONS, 422, 503),
    )
    def get_notifications(
        asked: Annotated[NotificationsAsked, Query()],
    ) -> answers.NotificationsAnswer:
        """`undelivered=true` lists what is still owed to somebody."""
        with database.reading() as connection:
            return list_notifications(
                connection,
                undelivered=asked.undelivered,
                limit=asked.limit,
                after=asked.after,
            )


def _add_intake(app: FastAPI, database: Database) -> None:
    @app.get(
        "/v1/dead-letters",
        tags=["intake"],
        summary="Records that could not be used, the newest first",
        responses=_responses(examples.DEAD_LETTERS, 422, 503),
    )
    def get_dead_letters(
        asked: Annotated[DeadLettersAsked, Query()],
    ) -> answers.DeadLettersAnswer:
        """Without their bytes; ask for one by its id to get those."""
        with database.reading() as connection:
            return queries.list_dead_letters(
                connection,
                source=asked.source,
                reason=asked.reason,
                retried=asked.retried,
                limit=asked.limit,
                after=asked.after,
            )

    @app.get(
        "/v1/dead-letters/{letter_id:path}",
        tags=["intake"],
        summary="One record that could not be used, with its original bytes",
        responses=_responses(examples.DEAD_LETTER, 404, 422, 503),
    )
    def get_dead_letter(letter_id: AnyId, _: Annotated[Asked, Query()]) -> answers.DeadLetterAnswer:
        """Key and value in base64, exactly as they lay on the topic."""
        with database.reading() as connection:
            return queries.show_dead_letter(connection, letter_id)

    @app.get(
        "/v1/unlinked",
        tags=["intake"],
        summary="Numbers that stand for no order line yet, the longest waiting first",
        responses=_responses(examples.UNLINKED, 422, 503),
    )
    def get_unlinked(page: Annotated[PageAsked, Query()]) -> answers.UnlinkedAnswer:
        """Their facts wait and join by themselves when the link arrives."""
        with database.reading() as connection:
            return queries.list_unlinked(connection, limit=page.limit, after=page.after)

    @app.get(
        "/v1/feeds",
        tags=["intake"],
        summary="Feeds: when each last spoke, and whether it is blind",
        responses=_responses(examples.FEEDS, 422, 503),
    )
    def get_feeds(_: Annotated[Asked, Query()]) -> answers.FeedsAnswer:
        """All feeds, the blind ones first."""
        with database.reading() as connection:
            return queries.list_feeds(connection)


def _add_operation(app: FastAPI, database: Database, ready_within_seconds: int) -> None:
    @app.get(
        "/v1/status",
        tags=["operation"],
        summary="How far time has come, what holds it back, and what needs a person",
        responses=_responses(examples.STATUS, 422, 503),
    )
    def get_status(_: Annotated[Asked, Query()]) -> Status:
        """Answers before the first tick too, so that one sees what the view waits for."""
        with database.reading() as connection:
            return read_status(connection, database.clock())

    @app.get("/metrics", include_in_schema=False)
    def get_metrics(_: Annotated[Asked, Query()]) -> PlainTextResponse:
        """The same as metrics, in Prometheus' text format; docs/metrics.md lists them."""
        with database.reading() as connection:
            status = read_status(connection, database.clock())
        return PlainTextResponse(write_metrics(status), media_type=CONTENT_TYPE)

    @app.get(
        "/v1/ticks/latest",
        tags=["operation"],
        summary="The tick that is visible, and the last one written",
        responses=_responses(examples.TICKS, 422, 503),
    )
    def get_ticks(_: Annotated[Asked, Query()]) -> answers.TickAnswer:
        """They are the same, or one tick is on its way."""
        with database.reading() as connection:
            return queries.show_ticks(connection)

    @app.get(
        "/health",
        tags=["operation"],
        summary="Whether the process answers",
        responses=_responses(examples.HEALTH, 422),
    )
    def get_health(_: Annotated[Asked, Query()]) -> Health:
        """For a liveness probe; it asks nothing of the database."""
        return Health()

    @app.get(
        "/ready",
        tags=["operation"],
        summary="Whether the view is level with the topics",
        responses=_responses(examples.READINESS, 422, 503),
        response_model=Readiness,
    )
    def get_readiness(_: Annotated[Asked, Query()]) -> Readiness | JSONResponse:
        """For a readiness probe: 503 while the view is built, behind, or without a broker."""
        with database.reading() as connection:
            state = database.state(connection)
        return _readiness(state, database.clock(), ready_within_seconds)


def _readiness(state: State, now: int, within_seconds: int) -> Readiness | JSONResponse:
    next_step = "Ask again in a few seconds; /v1/status says what the view waits for."
    if state.as_of_tick is None or state.as_of_at is None:
        detail = state.problem or "The view has not read a whole tick yet."
        return problems.respond(503, detail, next_step)
    if state.checked_at is None or now - state.checked_at > within_seconds * SECOND_MS:
        detail = state.problem or f"The view was not level with the topics for {within_seconds} s."
        return problems.respond(503, detail, next_step)
    return Readiness(
        ready=True,
        as_of=answers.AsOf(tick=state.as_of_tick, at=instant(state.as_of_at)),
        checked_at=instant(state.checked_at),
    )


def _responses(example: dict[str, Any], *refusals: int) -> dict[int | str, dict[str, Any]]:
    answered: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/json": {"example": example}}}
    }
    return answered | problems.responses(*refusals)


def _lift_definitions(schema: dict[str, Any]) -> None:
    """Models inside a model belong beside it in OpenAPI."""
    components = schema["components"]["schemas"]
    for model in list(components.values()):
        components.update(model.pop("$defs", {}))
