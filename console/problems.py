"""Refusals over HTTP: one shape (RFC 9457), in plain words, with what to do next."""

from __future__ import annotations

import http
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from console.reading import (
    Ambiguous,
    BadCursor,
    NotBuilt,
    NotFound,
    NotReady,
    NotUnderstood,
)

MEDIA_TYPE = "application/problem+json"


class WrongParameter(BaseModel):
    """One part of a request that was not understood."""

    where: str
    found: str | None
    expected: str


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    next_step: str = Field(description="What to do about it.")
    candidates: list[str] = Field(default=[], description="Ids that were perhaps meant.")
    parameters: list[WrongParameter] = Field(default=[], description="What was not understood.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of an endpoint, as OpenAPI describes them."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schema, "example": _EXAMPLES[status]}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Makes every refusal of the app a problem."""

    @app.exception_handler(NotFound)
    def _not_found(_: Request, error: NotFound) -> JSONResponse:
        return respond(404, str(error), _NEXT_STEPS[404], candidates=list(error.candidates))

    @app.exception_handler(Ambiguous)
    def _ambiguous(_: Request, error: Ambiguous) -> JSONResponse:
        return respond(409, f"{error}.", _NEXT_STEPS[409], candidates=list(error.candidates))

    @app.exception_handler(BadCursor)
    def _bad_cursor(_: Request, error: BadCursor) -> JSONResponse:
        wrong = WrongParameter(
            where="after", found=str(error), expected="next_after of the page before"
        )
        detail = "`after` is no cursor that this list gave."
        return respond(422, detail, "Leave `after` out to begin anew.", parameters=[wrong])

    @app.exception_handler(NotUnderstood)
    def _not_understood(_: Request, error: NotUnderstood) -> JSONResponse:
        wrong = WrongParameter(where=error.where, found=error.found, expected=error.expected)
        return respond(422, str(error), _NEXT_STEPS[422], parameters=[wrong])

    @app.exception_handler(NotReady)
    def _not_ready(_: Request, error: NotReady) -> JSONResponse:
        return respond(503, str(error), _NEXT_STEPS[503])

    @app.exception_handler(NotBuilt)
    def _not_built(_: Request, __: NotBuilt) -> JSONResponse:
        return respond(503, "The view has not read a whole tick yet.", _NEXT_STEPS[503])

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = [_wrong(each) for each in error.errors()]
        names = ", ".join(f"`{each.where}`" for each in wrong)
        return respond(422, f"Not understood: {names}.", _NEXT_STEPS[422], parameters=wrong)

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.scope['path']} is not answered here: {error.detail}."
        next_step = "See /docs for what can be asked."
        return respond(error.status_code, detail, next_step, headers=dict(error.headers or {}))


def respond(
    status: int,
    detail: str,
    next_step: str,
    *,
    candidates: list[str] | None = None,
    parameters: list[WrongParameter] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    problem = Problem(
        title=_TITLES.get(status) or http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        next_step=next_step,
        candidates=candidates or [],
        parameters=parameters or [],
    )
    content = problem.model_dump(mode="json")
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


def _wrong(error: dict[str, Any]) -> WrongParameter:
    where = str(error["loc"][-1]) if error["loc"] else "request"
    found = error.get("input")
    expected = "no such parameter" if error["type"] == "extra_forbidden" else str(error["msg"])
    return WrongParameter(
        where=where, found=None if found is None else str(found)[:200], expected=expected
    )


_TITLES: dict[int, str] = {
    404: "Nothing by that id",
    409: "Several things by that number",
    422: "The question was not understood",
    503: "The view is not ready",
}
_NEXT_STEPS: dict[int, str] = {
    404: "Check the spelling; ids are case-sensitive and # in a path is written %23. What was just "
    "told shows after the next tick: /v1/status says at which tick the view stands.",
    409: "Ask again with one of `candidates`.",
    422: "Correct the parameters listed; /docs says what each may be.",
    503: "Ask again in a few seconds. If it stays so, /v1/status says what time waits for and "
    "why the view cannot read the topics.",
}
_EXAMPLES: dict[int, dict[str, Any]] = {
    status: {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "next_step": _NEXT_STEPS[status],
        "candidates": candidates,
        "parameters": parameters,
    }
    for status, detail, candidates, parameters in (
        (404, "There is no alert 5f21c09b3e70.", [], []),
        (
            409,
            "ACME/4711 stands for several order lines.",
            ["ACME/4711#10", "ACME/4711#20"],
            [],
        ),
        (
            422,
            "Not understood: `limit`.",
            [],
            [
                {
                    "where": "limit",
                    "found": "0",
                    "expected": "Input should be greater than or equal to 1",
                }
            ],
        ),
        (503, "The view has not read a whole tick yet.", [], []),
    )
}
