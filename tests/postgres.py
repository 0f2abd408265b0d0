"""A PostgreSQL server of our own, for the tests of the view's database, where it is installed.

It lives in a temporary folder, listens on a free port of 127.0.0.1 and dies with the test session.
Its database sorts as dictionaries do where the server can, so that a comparison that rests on the
server's order is found out.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

USER = "view"
START_SECONDS = 60.0
COMMAND_SECONDS = 60.0
PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")


class PostgresUnavailable(Exception):
    """PostgreSQL cannot run here; the message says what is missing."""


def program(name: str) -> str:
    """Where a program of the server is. Raises PostgresUnavailable."""
    if found := shutil.which(name):
        return found
    places = sorted(each for place in PLACES for each in Path(place).glob(f"*/bin/{name}"))
    if not places:
        raise PostgresUnavailable(f"{name} is not installed: PostgreSQL's server is needed")
    return str(places[-1])


def _owner() -> str | None:
    """As whom the server runs: it refuses root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    found = next((each for each in ("postgres", "nobody") if each in known), None)
    if found is None:
        raise PostgresUnavailable("this is root, and there is no user to run the server as")
    return found


class Postgres:
    """The server, between `start` and `stop`; `database` makes an empty one."""

    def __init__(self) -> None:
        """Raises PostgresUnavailable where the server is not installed."""
        program("postgres")
        self.password = secrets.token_urlsafe(18)
        self._owner = _owner()
        self._folder = Path(tempfile.mkdtemp(prefix="slipwatch-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        try:
            self._init()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _init(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password, encoding="ascii")
        if self._owner is not None:
            for each in (self._folder, secret):
                shutil.chown(each, self._owner)
        words = [program("initdb"), "-D", str(self._folder / "data"), "-U", USER, "-E", "UTF8",
                 "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]  # fmt: skip
        for locale in (["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"], []):
            ran = subprocess.run(
                [*words, *locale], user=self._owner, cwd=self._folder, capture_output=True,
                text=True, timeout=COMMAND_SECONDS, check=False,
            )  # fmt: skip
            if ran.returncode == 0:
                return
        raise PostgresUnavailable(f"initdb fails: {ran.stderr[-500:]}")

    def start(self) -> None:
        """Starts the server on what is in its folder, and waits until it answers."""
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [program("postgres"), "-D", str(self._folder / "data"), "-p", str(self.port),
             "-h", "127.0.0.1", "-k", str(self._folder), "-c", "fsync=off"],
            user=self._owner, cwd=self._folder, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except DBAPIError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(errors="replace")[-500:]
                    raise PostgresUnavailable(f"the server does not start: {said}") from error
                time.sleep(0.1)

    def stop(self) -> None:
        """Ends the server at once."""
        if self._process is not None:
            self._process.send_signal(3)
            self._process.wait(COMMAND_SECONDS)
            self._process = None

    def execute(self, statement: str) -> None:
        """One statement outside any transaction."""
        engine = create_engine(self._url("postgres").set(password=self.password))
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    def database(self) -> str:
        """The address of a new, empty database; it holds no password."""
        self._count += 1
        name = f"view_{self._count}"
        self.execute(f"CREATE DATABASE {name}")
        return self._url(name).render_as_string()

    def _url(self, name: str) -> URL:
        return make_url(f"postgresql://{USER}@127.0.0.1:{self.port}/{name}").set(
            drivername="postgresql+pg8000"
        )
