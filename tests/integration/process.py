"""Starts `slipwatch` as a process of its own, and reads where it listens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SLIPWATCH = Path(sys.executable).parent / "slipwatch"
WAIT_SECONDS = 60.0
LISTENS = re.compile(r"listens on (http://\S+)")


class Process:
    """One running command; `address` is where it listens."""

    def __init__(self, words: list[str], environment: Mapping[str, str], directory: Path) -> None:
        self.log = directory / f"{'-'.join(words)}-{time.monotonic_ns()}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWATCH_")}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(SLIPWATCH), *words],
                env=clean | dict(environment),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def address(self) -> str:
        """Waits until it listens."""
        wait_until(lambda: LISTENS.search(self.text()) is not None or self.has_ended, self.text)
        found = LISTENS.search(self.text())
        assert found is not None, self.text()
        return found[1]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def started(words: list[str], environment: Mapping[str, str], directory: Path) -> Iterator[Process]:
    """The command, ended with SIGKILL at the latest when the block ends."""
    process = Process(words, environment, directory)
    try:
        yield process
    finally:
        process.kill()


def wait_until(
    is_so: Callable[[], bool],
    explain: Callable[[], object] = lambda: "",
    seconds: float = WAIT_SECONDS,
) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def get(url: str) -> tuple[int, Any]:
    """The status and the JSON (or else the text) of the answer."""
    try:
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    try:
        return status, json.loads(body)
    except ValueError:
        return status, body.decode("utf-8")


def command(
    words: list[str], environment: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWATCH_")}
    return subprocess.run(
        [str(SLIPWATCH), *words],
        env=clean | dict(environment),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


class Receiver:
    """A web server that takes webhooks: keeps each request, answers as it is told.

    While it holds, requests wait for their answer, and count only once they get it. While it is
    down it answers 503 and keeps the ids only.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.waiting = 0
        self.is_down = False
        self.refused: list[str] = []
        self._gate = threading.Event()
        self._gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.waiting += 1
                receiver._gate.wait(WAIT_SECONDS)
                receiver.waiting -= 1
                if receiver.is_down:
                    receiver.refused.append(self.headers["webhook-id"])
                    self.send_error(503)
                    return
                status = receiver.answers.pop(0) if receiver.answers else 204
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.requests.append((headers, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/hook"

    def hold(self) -> None:
        """Answer nobody until `let_go`."""
        self._gate.clear()

    def let_go(self) -> None:
        """Answer everybody."""
        self._gate.set()

    def ids(self) -> list[str]:
        """The ids of the notifications, in the order of arrival."""
        return [headers["webhook-id"] for headers, _ in self.requests]
