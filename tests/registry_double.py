"""A schema registry for tests: a real HTTP server on this machine that answers as one does.

It speaks the part of Confluent's interface that Slipwatch uses, can be away and come back on the
same port, asks for a password if it is told one, and counts what it was asked.
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class RegistryDouble:
    """Between `start` and `stop` it answers. What was put in stays."""

    def __init__(self, password: str = "") -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, int] = {}
        self.asked: list[str] = []
        self.password = password
        self.status: int | None = None
        """Answer everything with this status and a page of HTML, as a proxy would."""
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        # The port is known before the first start, so that one can be away from the beginning.
        self.start()
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def put(self, schema_id: int, text: str, **more: Any) -> None:
        """From now on the id has this schema."""
        self.schemas[schema_id] = {"schema": text, **more}

    def start(self) -> None:
        """Comes back."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Goes away: nobody listens on the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(f"{method} {path}")
        if self.status is not None:
            return self.status, b"<html>a proxy</html>"
        wanted = base64.b64encode(f"slipwatch:{self.password}".encode()).decode()
        if self.password and authorization != f"Basic {wanted}":
            return 401, b'{"error_code": 401, "message": "Unauthorized"}'
        if path == "/subjects":
            return 200, json.dumps(sorted(self.subjects)).encode()
        if method == "POST" and path.startswith("/subjects/"):
            return 200, json.dumps({"id": self._register(path.split("/")[2], body)}).encode()
        found = self.schemas.get(int(path.removeprefix("/schemas/ids/")))
        if found is None:
            return 404, b'{"error_code": 40403, "message": "Schema not found"}'
        return 200, json.dumps(found).encode()

    def _register(self, subject: str, body: bytes) -> int:
        text = json.loads(body)["schema"]
        known = [number for number, each in self.schemas.items() if each["schema"] == text]
        schema_id = known[0] if known else max(self.schemas, default=0) + 1
        self.put(schema_id, text)
        self.subjects[subject] = schema_id
        return schema_id

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes) -> None:
                given = self.headers.get("Authorization", "")
                status, text = double.answer(self.command, self.path, body, given)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Nothing: the test says what it looks at."""

        return Handler
