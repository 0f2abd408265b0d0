"""Asks a schema registry over HTTP what an id stands for, for as long as it takes.

The interface is Confluent's, which others speak too. Only an answer that says so itself means that
there is no such schema; everything else (nobody there, a refusal, a page of some proxy) is a
trouble, and asked again. Redirects are not followed: they would carry the password elsewhere.
"""

from __future__ import annotations

import base64
import http.client
import random
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec

from schemas.limits import ERROR_CHARS_MAX, REGISTRY_ANSWER_BYTES_MAX, SCHEMA_CHARS_MAX
from schemas.refusals import Reason
from schemas.registered import RegisteredSchema
from streams.backoff import backoff_seconds
from streams.engine.lookups import NoRegistry, SchemaSource
from streams.settings import RegistrySettings

NOT_FOUND_CODE = 40403
"""Says that there is no schema with the id; a bare 404 may come from whoever stands before it."""

ASK_AGAIN_SECONDS = 60.0
"""How often it is asked for an id that was refused and that facts go on naming."""

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.25, 15.0
REMEMBERED_MAX = 10_000
"""Refused ids of which it is remembered when they were asked for again."""

AVRO = "AVRO"


class RegistryTrouble(Exception):
    """No answer that can be used; the text holds neither password nor token."""


class HttpAnswer(NamedTuple):
    """Status and body; `is_cut` when the body is longer than may be read."""

    status: int
    body: bytes
    is_cut: bool = False


class _Found(msgspec.Struct):
    schema: str
    schemaType: str = AVRO  # noqa: N815 - the registry's name
    references: list[msgspec.Raw] = []


class _Fault(msgspec.Struct):
    error_code: int = 0
    message: str = ""


class _Registered(msgspec.Struct):
    id: int


def read_answer(schema_id: int, answer: HttpAnswer) -> RegisteredSchema | None:
    """What the answer to `GET /schemas/ids/ID` says of the id; None if there is no such schema.

    Raises RegistryTrouble for an answer that says neither.
    """
    if answer.status == 404:
        if _fault(answer.body).error_code == NOT_FOUND_CODE:
            return None
        raise RegistryTrouble(
            "answered 404 without saying that the schema is unknown; is its url right?"
        )
    _check_status(answer)
    if answer.is_cut:
        return _unusable(schema_id, f"is longer than {REGISTRY_ANSWER_BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(answer.body, type=_Found)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RegistryTrouble(
            f"answered what is no schema: {str(error)[:ERROR_CHARS_MAX]}"
        ) from error
    if found.schemaType != AVRO:
        return _unusable(schema_id, f"is of type {found.schemaType[:40]!r}, expected {AVRO}")
    if found.references:
        return _unusable(schema_id, "refers to other schemas, and facts are flat")
    if len(found.schema) > SCHEMA_CHARS_MAX:
        return _unusable(
            schema_id, f"has {len(found.schema)} characters, expected at most {SCHEMA_CHARS_MAX}"
        )
    return RegisteredSchema(id=schema_id, schema=found.schema)


def _unusable(schema_id: int, what: str) -> RegisteredSchema:
    return RegisteredSchema(
        id=schema_id, reason=Reason.SCHEMA_MISMATCH, error=f"the schema with id {schema_id} {what}"
    )


def _absent(schema_id: int) -> RegisteredSchema:
    return RegisteredSchema(
        id=schema_id,
        reason=Reason.UNKNOWN_SCHEMA_ID,
        error=f"the schema id is {schema_id}, expected one that the schema registry knows",
    )


def _fault(body: bytes) -> _Fault:
    try:
        return msgspec.json.decode(body, type=_Fault)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Fault()


def _check_status(answer: HttpAnswer) -> None:
    if answer.status in (401, 403):
        raise RegistryTrouble(
            f"answered {answer.status}: it wants other credentials (registry.username and "
            "registry.password, or registry.token)"
        )
    if not 200 <= answer.status < 300:
        said = _fault(answer.body).message[:ERROR_CHARS_MAX]
        raise RegistryTrouble(f"answered {answer.status}" + (f": {said}" if said else ""))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A redirect is an answer like any other."""


class RegistryHttp:
    """One registry over HTTP; every call takes at most the settings' time for each of its steps.

    Raises OSError or ssl.SSLError when the certificates cannot be used.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        assert settings.url is not None, "without an address there is no registry"
        self.address = str(settings.url).rstrip("/")
        self._timeout_seconds = settings.timeout_seconds
        self._headers = {
            "Accept": "application/vnd.schemaregistry.v1+json, application/json",
            "User-Agent": "slipwatch",
            **_authorization(settings),
        }
        context = ssl.create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=context),
            _NoRedirects,
        )

    def __repr__(self) -> str:
        return f"RegistryHttp({self.address})"

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """What the registry says of the id; None if it has no such schema.

        Raises RegistryTrouble.
        """
        return read_answer(schema_id, self._call(f"/schemas/ids/{schema_id}"))

    def register(self, subject: str, text: str) -> int:
        """The id of the schema under the subject, where it is put unless it is there. Raises
        RegistryTrouble, also when the subject's rules refuse it."""
        path = f"/subjects/{urllib.parse.quote(subject, safe='')}/versions"
        answer = self._call(path, msgspec.json.encode({"schema": text, "schemaType": AVRO}))
        _check_status(answer)
        try:
            return msgspec.json.decode(answer.body, type=_Registered).id
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryTrouble(f"{self.address} answered without an id") from error

    def subjects(self) -> int:
        """How many subjects it has: a question that only a registry answers. Raises
        RegistryTrouble."""
        answer = self._call("/subjects")
        _check_status(answer)
        try:
            return len(msgspec.json.decode(answer.body, type=list[str]))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RegistryTrouble("answered no list of subjects; is its url right?") from error

    def _call(self, path: str, body: bytes | None = None) -> HttpAnswer:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/vnd.schemaregistry.v1+json"
        request = urllib.request.Request(  # noqa: S310 - the settings allow http and https only
            self.address + path, data=body, headers=headers
        )
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                return _read(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _read_fault(error)
        except urllib.error.URLError as error:
            raise RegistryTrouble(f"does not answer: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise RegistryTrouble(
                f"does not answer: {str(error) or type(error).__name__}"
            ) from error
        except ValueError:
            # Its text may hold the whole header.
            raise RegistryTrouble(
                "cannot be asked: its address or its credentials do not fit into a request"
            ) from None


def _read(status: int, answer: http.client.HTTPResponse) -> HttpAnswer:
    body = answer.read(REGISTRY_ANSWER_BYTES_MAX + 1)
    if len(body) > REGISTRY_ANSWER_BYTES_MAX:
        return HttpAnswer(status, b"", is_cut=True)
    return HttpAnswer(status, body)


def _read_fault(error: urllib.error.HTTPError) -> HttpAnswer:
    try:
        return HttpAnswer(error.code, error.read(REGISTRY_ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException) as broken:
        raise RegistryTrouble(f"answered {error.code} and broke off") from broken


def _authorization(settings: RegistrySettings) -> dict[str, str]:
    if settings.token is not None:
        return {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    if settings.username is not None and settings.password is not None:
        pair = f"{settings.username}:{settings.password.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


class _Asked:
    """One id that is asked for: when it was first said to be absent, and when to ask next."""

    __slots__ = ("absent_since", "next_at")

    def __init__(self) -> None:
        self.absent_since: float | None = None
        self.next_at = 0.0


class RegistryClient:
    """Asks in a thread of its own; a `SchemaSource` for the engine.

    `on_lookup` hears of each lookup, from that thread: `found`, `absent` or `failed`. One id after
    the other is asked for; after a failure none until a pause is over, which grows to 15 s.
    """

    def __init__(
        self,
        http: RegistryHttp,
        absent_after_seconds: float,
        on_lookup: Callable[[str], None],
        ask_again_seconds: float = ASK_AGAIN_SECONDS,
    ) -> None:
        self._ask_again_seconds = ask_again_seconds
        self._http = http
        self._absent_after_seconds = absent_after_seconds
        self._on_lookup = on_lookup
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._asked: dict[int, _Asked] = {}
        self._asked_again_at: dict[int, float] = {}
        self._answers: deque[RegisteredSchema] = deque()
        self._trouble = ""
        self._failures = 0
        self._thread: threading.Thread | None = None

    def ask(self, ids: Collection[int]) -> None:
        """Asks for these until they are answered."""
        with self._lock:
            answered = {each.id for each in self._answers}
            new = [each for each in ids if each not in self._asked and each not in answered]
            self._asked.update((each, _Asked()) for each in new)
        if new:
            self._go()

    def ask_again(self, ids: Collection[int]) -> None:
        """Asks for these, unless that was within the last minute."""
        now = time.monotonic()
        before = self._asked_again_at
        due = [each for each in ids if now - before.get(each, -1e9) >= self._ask_again_seconds]
        if len(before) + len(due) > REMEMBERED_MAX:
            before.clear()
        before.update(dict.fromkeys(due, now))
        self.ask(due)

    def answers(self) -> Sequence[RegisteredSchema]:
        """What has come in since the last call."""
        if not self._answers:
            return ()
        with self._lock:
            answers = tuple(self._answers)
            self._answers.clear()
        return answers

    @property
    def trouble(self) -> str:
        """Why the last lookup failed; empty when it did not."""
        return self._trouble

    def _go(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
            self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while True:
            pause = self._pass()
            self._wake.wait(pause)
            self._wake.clear()

    def _pass(self) -> float | None:
        """Asks for all that is due; the seconds until something is, None when nothing will be."""
        with self._lock:
            asked = dict(self._asked)
        for schema_id, state in asked.items():
            if state.next_at > time.monotonic():
                continue
            try:
                answer = self._http.schema(schema_id)
            except RegistryTrouble as error:
                self._on_lookup("failed")
                self._failures += 1
                with self._lock:
                    # Another one first next time: it may be this one alone that fails.
                    self._asked[schema_id] = self._asked.pop(schema_id)
                self._trouble = f"the schema registry at {self._http.address} {error}"
                chance = random.random()  # noqa: S311 - spreads load, hides nothing
                return backoff_seconds(self._failures, PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX, chance)
            self._trouble, self._failures = "", 0
            self._take(schema_id, state, answer)
        with self._lock:
            nexts = [state.next_at for state in self._asked.values()]
        return max(0.0, min(nexts) - time.monotonic()) if nexts else None

    def _take(self, schema_id: int, state: _Asked, answer: RegisteredSchema | None) -> None:
        now = time.monotonic()
        if answer is None:
            self._on_lookup("absent")
            if state.absent_since is None:
                state.absent_since = now
            if now - state.absent_since < self._absent_after_seconds:
                state.next_at = state.absent_since + self._absent_after_seconds
                return
            answer = _absent(schema_id)
        else:
            self._on_lookup("found")
        with self._lock:
            self._asked.pop(schema_id, None)
            self._answers.append(answer)


def schema_source(settings: RegistrySettings, on_lookup: Callable[[str], None]) -> SchemaSource:
    """Who tells the engine what ids stand for, as the settings say. Raises as RegistryHttp."""
    if settings.url is None:
        return NoRegistry()
    return RegistryClient(RegistryHttp(settings), settings.absent_after_seconds, on_lookup)
