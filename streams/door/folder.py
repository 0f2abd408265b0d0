"""Folders: files that are put there are read, sent, and moved aside with a report.

A file is complete when it bears its name: it is written under a name that begins with a dot or ends
in `.part` or `.tmp`, and then renamed. It is moved to `working/`, read, sent, reported on, and then
moved on: to `done/` when all of it was accepted, to `refused/` when some of it was not. Whatever is
cut off before that is done again, under the same event ids, so it counts once.

A process locks the folder that it looks into; another one waits until it lets go. Who may write to
the folder may put links and pipes there too: none is followed, opened or written through.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import structlog

from schemas import limits
from schemas.facts import Fact
from schemas.units import UtcMillis
from streams.backoff import backoff_seconds
from streams.door.directories import Directory, opened
from streams.door.files import Report, Wrong, read_rows
from streams.door.statements import fit_for_json
from streams.metrics import DOOR_FACTS, DOOR_FILES, DOOR_OLDEST_FILE, Metrics
from streams.replay.mapping import Mapping
from streams.sending import OpenSender

WORKING, DONE, REFUSED = "working", "done", "refused"
INCOMPLETE = (".part", ".tmp", ".filepart")
REPORT = ".report.json"
ENDING_CHARS_MAX = 12
"""A longer one is part of the name, where that is shortened."""
LOOK_SECONDS = 1.0
PAUSE_SECONDS_MAX = 60.0
"""What cannot be put aside is sent again; not every second, as it may be all of a large file."""
LOCK = ".slipwatch-door.lock"
REPORT_PART = ".report.part"
"""Both lie in `working/`, where nobody else has a say."""

FILE_TAKEN = "file_taken"
FILE_WAITS = "file_waits"
FOLDER_UNUSABLE = "folder_unusable"

log = structlog.get_logger()


@dataclass(frozen=True)
class Folder:
    """A folder, who tells what is put there, and the mapping of its CSV."""

    name: str
    path: Path
    source: str
    mapping: Mapping | None = None


class _BrokerRefused(Exception):
    """The broker did not take all of a file; it is read again."""


@dataclass(frozen=True)
class _Trouble:
    """Since when something of a folder waits, in seconds of the wall clock; how often in a row it
    could not be taken; and until when, in monotonic seconds, it is let alone."""

    since_seconds: float
    failures: int
    paused_until_seconds: float


class Folders:
    """Looks into folders, one file after the other."""

    def __init__(
        self,
        folders: tuple[Folder, ...],
        sender: OpenSender,
        now: Callable[[], UtcMillis],
        metrics: Metrics,
    ) -> None:
        """`now` is the wall clock, in milliseconds."""
        self._folders = folders
        self._sender = sender
        self._now = now
        self._metrics = metrics
        self._troubles: dict[str, _Trouble] = {}

    def watch(self, stop: threading.Event) -> None:
        """Looks into all of them until `stop` is set."""
        while not stop.is_set():
            self.look(stop)
            stop.wait(LOOK_SECONDS)

    def look(self, stop: threading.Event) -> None:
        """Takes every complete file that is there now, the oldest of a folder first. A folder with
        a trouble is looked into again after a pause, longer each time."""
        for folder in self._folders:
            trouble = self._troubles.get(folder.name)
            if trouble is not None and time.monotonic() < trouble.paused_until_seconds:
                continue
            since = self._looked_into(folder, stop)
            if since is None:
                self._troubles.pop(folder.name, None)
            else:
                failures = 1 if trouble is None else trouble.failures + 1
                pause = backoff_seconds(failures, LOOK_SECONDS, PAUSE_SECONDS_MAX, 0.0)
                until = time.monotonic() + pause
                self._troubles[folder.name] = _Trouble(since, failures, until)
        began = [trouble.since_seconds for trouble in self._troubles.values()]
        oldest = max(0.0, self._now() / 1000 - min(began)) if began else 0.0
        self._metrics.set(DOOR_OLDEST_FILE, oldest)

    def _looked_into(self, folder: Folder, stop: threading.Event) -> float | None:
        """Since when, in seconds, something of the folder waits; None when nothing does."""
        try:
            with (
                opened(folder.path) as drop,
                drop.inside(WORKING, 0o700) as working,
                working.locked(LOCK) as is_ours,
            ):
                return self._emptied(folder, drop, working, stop) if is_ours else None
        except OSError as error:
            log.warning(FOLDER_UNUSABLE, folder=folder.name, error=str(error))
            trouble = self._troubles.get(folder.name)
            return self._now() / 1000 if trouble is None else trouble.since_seconds

    def _emptied(
        self, folder: Folder, drop: Directory, working: Directory, stop: threading.Event
    ) -> float | None:
        """When the file was written, in seconds, that could not be taken; None without one."""
        begun = [(since, name, working) for since, name in _complete(working)]
        put_there = [(since, name, drop) for since, name in _complete(drop)]
        for since, name, where in begun + put_there:
            if stop.is_set():
                break
            try:
                if where is drop:
                    # Out of reach of who put it there: what is read is what was looked at.
                    drop.move(name, working, name)
                    if not working.is_plain(name):
                        working.remove(name)
                        continue
                self._take(folder, drop, working, name)
            except (_BrokerRefused, OSError) as error:
                self._metrics.count(DOOR_FILES, outcome="failed")
                file = fit_for_json(name)
                log.warning(FILE_WAITS, folder=folder.name, file=file, error=str(error))
                return since
        return None

    def _take(self, folder: Folder, drop: Directory, working: Directory, name: str) -> None:
        """Sends the file, reports on it and puts it aside. The places for both are there before
        anything is sent."""
        with drop.inside(DONE) as done, drop.inside(REFUSED) as refused:
            with working.make_file(REPORT_PART) as part:
                report = self._sent(folder, working, name)
                part.write(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
            _put_aside(name, working, refused if report.refused else done)
        self._metrics.count(DOOR_FACTS, report.accepted, way="folder", outcome="accepted")
        self._metrics.count(DOOR_FACTS, report.refused, way="folder", outcome="refused")
        self._metrics.count(DOOR_FILES, outcome=REFUSED if report.refused else DONE)
        log.info(
            FILE_TAKEN,
            folder=folder.name,
            file=report.file,
            accepted=report.accepted,
            refused=report.refused,
        )

    def _sent(self, folder: Folder, working: Directory, name: str) -> Report:
        """The report on the file, once the broker has all of it that is good."""
        accepted = refused = 0
        problems: list[Wrong] = []
        batch: list[Fact] = []
        file = partial(working.open_file, name)
        for row in read_rows(name, file, folder.source, folder.mapping, self._now()):
            for each in row:
                if not isinstance(each, Wrong):
                    batch.append(each)
                    accepted += 1
                elif len(problems) < limits.DOOR_PROBLEMS_MAX:
                    problems.append(each)
            refused += any(isinstance(each, Wrong) for each in row)
            if len(batch) >= limits.DOOR_BATCH_FACTS_MAX:
                self._send(batch)
                batch = []
        self._send(batch)
        shown = fit_for_json(name) or ""
        return Report(shown, folder.source, accepted, refused, tuple(problems))

    def _send(self, facts: list[Fact]) -> None:
        refusals = self._sender.send(facts) if facts else ()
        if refusals:
            self._metrics.count(DOOR_FACTS, len(refusals), way="folder", outcome="failed")
            raise _BrokerRefused(refusals[0].why)


def _complete(where: Directory) -> list[tuple[float, str]]:
    """When each complete file was last written, and its name; the oldest first."""
    return [
        (written_at, name)
        for written_at, name in where.plain_files()
        if not name.startswith(".") and not name.lower().endswith(INCOMPLETE)
    ]


def _put_aside(name: str, working: Directory, aside: Directory) -> None:
    """The report is whole before the file is moved, under one name for both that is free."""
    target = _free_name(name, aside)
    working.move(REPORT_PART, aside, f"{target}{REPORT}")
    working.move(name, aside, target)


def _free_name(name: str, aside: Directory) -> str:
    """The name, with a number where it is taken, and shortened where its report's would not fit."""
    ending = Path(name).suffix
    if len(ending) > ENDING_CHARS_MAX:
        ending = ""
    stem = name.removesuffix(ending)
    number = 0
    while True:
        number += 1
        behind = ending if number == 1 else f".{number}{ending}"
        while len(os.fsencode(f"{stem}{behind}{REPORT}")) > aside.name_bytes_max:
            stem = stem[:-1]
        if aside.is_free(f"{stem}{behind}") and aside.is_free(f"{stem}{behind}{REPORT}"):
            return f"{stem}{behind}"
