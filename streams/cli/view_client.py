"""Asks the view over HTTP, and says plainly when it does not answer or says no."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 15.0
NOT_FOUND, CONFLICT, NOT_UNDERSTOOD, NOT_READY = 404, 409, 422, 503
NEXT_STEPS = {
    NOT_FOUND: "Check the spelling; ids are case-sensitive. What was just told shows after the "
    "next tick: `slipwatch status` says how far the view has come.",
    CONFLICT: "Ask again with one of these:",
    NOT_READY: "Ask again in a few seconds; if it stays so, `slipwatch status` and the view's log "
    "say why.",
}
"""What to do next at the command line; what the view itself says is for those who speak HTTP."""

Answer = dict[str, Any]


class ViewUnreachable(Exception):
    """The view does not answer, or not as a view would."""


class ViewSaysNo(Exception):
    """The view understood, and there is no such thing, or several; `candidates` may be meant."""

    def __init__(self, detail: str, next_step: str, candidates: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.detail, self.next_step, self.candidates = detail, next_step, candidates


class ViewClient:
    """Reads from one view. `get` raises ViewUnreachable or ViewSaysNo."""

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._address = address.rstrip("/")
        self._timeout_seconds = timeout_seconds

    def get(self, path: str, **query: str | int | bool | None) -> Answer:
        """The answer to GET; parts of the path must be quoted already (`quoted`)."""
        asked = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in query.items()
            if value is not None
        }
        url = f"{self._address}{path}" + (f"?{urllib.parse.urlencode(asked)}" if asked else "")
        request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_seconds) as answer:  # noqa: S310
                return self._decoded(answer.read())
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from error
        except urllib.error.URLError as error:
            raise self._silent(str(error.reason)) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(str(error) or type(error).__name__) from error

    def _decoded(self, body: bytes) -> Answer:
        try:
            found = json.loads(body)
        except ValueError as error:
            raise self._silent("what answers there is no view") from error
        if not isinstance(found, dict):
            raise self._silent("what answers there is no view")
        return found

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        try:
            body = json.loads(error.read())
            detail, next_step = str(body["detail"]), _next_step(error.code, body)
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._silent(f"it answered {error.code} {error.reason}")
        if error.code in (NOT_FOUND, CONFLICT):
            return ViewSaysNo(detail, next_step, tuple(body.get("candidates", ())))
        if error.code == NOT_UNDERSTOOD:
            return ViewUnreachable(f"the view at {self._address} does not understand: {next_step}")
        return ViewUnreachable(f"the view at {self._address} refuses: {detail} {next_step}".strip())

    def _silent(self, reason: str) -> ViewUnreachable:
        return ViewUnreachable(
            f"no answer from the view at {self._address}: {reason}. "
            "Start one with `slipwatch view`, or name another with --view-url"
        )


def _next_step(status: int, body: Answer) -> str:
    if status == NOT_UNDERSTOOD:
        wrong = body.get("parameters", ())
        said = "; ".join(f"{each['where']}: {each['expected']}" for each in wrong)
        return said or str(body["detail"])
    return NEXT_STEPS.get(status, str(body.get("next_step", "")))


def quoted(part: str) -> str:
    """A part of a path; slashes stay, for ids hold them, `#` does not."""
    return urllib.parse.quote(part, safe="/")
