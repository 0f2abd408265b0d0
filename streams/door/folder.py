"""Folders: files that are put there are read, sent, and moved aside with a report.

A file is complete when it bears its name: it is written under a name that begins with a dot or ends
in `.part` or `.tmp`, and then renamed. It is moved to `working/`, read, sent, reported on, and then
moved on: to `done/` when all of it was accepted, to `refused/` when some of it was not. Whatever is
cut off before that is done again, under the same event ids, so it counts once.

A process locks the folder that it looks into; another one waits until it lets go.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from schemas import limits
from schemas.facts import Fact
from schemas.units import UtcMillis
from streams.door.files import Report, Wrong, read_rows
from streams.door.statements import fit_for_json
from streams.metrics import DOOR_FACTS, DOOR_FILES, DOOR_OLDEST_FILE, Metrics
from streams.replay.mapping import Mapping
from streams.sending import OpenSender

WORKING, DONE, REFUSED = "working", "done", "refused"
INCOMPLETE = (".part", ".tmp", ".filepart")
REPORT = ".report.json"
LOOK_SECONDS = 1.0
LOCK = ".slipwatch-door.lock"

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

    def watch(self, stop: threading.Event) -> None:
        """Looks into all of them until `stop` is set."""
        while not stop.is_set():
            self.look(stop)
            stop.wait(LOOK_SECONDS)

    def look(self, stop: threading.Event) -> None:
        """Takes every complete file that is there now, the oldest of a folder first."""
        oldest = 0.0
        for folder in self._folders:
            try:
                with _locked(folder.path) as is_ours:
                    if is_ours:
                        oldest = max(oldest, self._look_into(folder, stop))
            except OSError as error:
                log.warning(FOLDER_UNUSABLE, folder=folder.name, error=str(error))
        self._metrics.set(DOOR_OLDEST_FILE, oldest)

    def _look_into(self, folder: Folder, stop: threading.Event) -> float:
        """Seconds that the oldest file has waited that could not be taken; 0 without one."""
        working = folder.path / WORKING
        working.mkdir(mode=0o700, exist_ok=True)
        for waits_since, path in [*_complete(working), *_complete(folder.path)]:
            if stop.is_set():
                break
            if path.parent != working:
                # Out of reach of who put it there, so that what is read is what was looked at.
                path = path.replace(working / path.name)  # noqa: PLW2901
                if not stat.S_ISREG(path.lstat().st_mode):
                    path.unlink()
                    continue
            try:
                self._take(folder, path)
            except _BrokerRefused as error:
                self._metrics.count(DOOR_FILES, outcome="failed")
                log.warning(
                    FILE_WAITS,
                    folder=folder.name,
                    file=fit_for_json(path.name),
                    error=str(error),
                )
                return max(0.0, self._now() / 1000 - waits_since)
        return 0.0

    def _take(self, folder: Folder, path: Path) -> None:
        accepted = refused = 0
        problems: list[Wrong] = []
        batch: list[Fact] = []
        for row in read_rows(path, folder.source, folder.mapping, self._now()):
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
        self._metrics.count(DOOR_FACTS, accepted, way="folder", outcome="accepted")
        self._metrics.count(DOOR_FACTS, refused, way="folder", outcome="refused")
        outcome = REFUSED if refused else DONE
        name = fit_for_json(path.name) or ""
        report = Report(name, folder.source, accepted, refused, tuple(problems))
        _put_aside(path, folder.path / outcome, report)
        self._metrics.count(DOOR_FILES, outcome=outcome)
        log.info(FILE_TAKEN, folder=folder.name, file=name, accepted=accepted, refused=refused)

    def _send(self, facts: list[Fact]) -> None:
        refusals = self._sender.send(facts) if facts else ()
        if refusals:
            self._metrics.count(DOOR_FACTS, len(refusals), way="folder", outcome="failed")
            raise _BrokerRefused(refusals[0].why)


def _complete(folder: Path) -> list[tuple[float, Path]]:
    """The complete files, the oldest first, with when they were last written. What is no plain file
    is passed over: a link could lead to what its owner may not read."""
    found = []
    for entry in os.scandir(folder):
        if entry.name.startswith(".") or entry.name.lower().endswith(INCOMPLETE):
            continue
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode):
            found.append((facts.st_mtime, Path(entry.path)))
    return sorted(found)


def _put_aside(path: Path, aside: Path, report: Report) -> None:
    """The report is whole before the file is moved, under one name for both that is free."""
    aside.mkdir(exist_ok=True)
    target = aside / path.name
    number = 1
    while target.exists():
        number += 1
        target = aside / f"{path.stem}.{number}{path.suffix}"
    written = aside / f"{target.name}{REPORT}"
    part = aside / f".{written.name}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    part.replace(written)
    path.replace(target)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the folder is ours to look into while the block runs."""
    with (folder / LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
