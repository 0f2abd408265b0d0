"""Makes the peers of the slip join ready to run: jars and classes, and a Python environment.

All of it lies under .build/bench and is made once, until what it is made from changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.benchmark import BUILD_DIRECTORY, ROOT, Run
from bench.ground import BenchFailed, Place

PEERS_DIRECTORY = ROOT / "bench" / "peers"
SCHEMAS_DIRECTORY = ROOT / "schemas" / "avro"
JAVA_OPTIONS = ("-Xms512m", "-Xmx2g", "-XX:+UseParallelGC")
SETUP_TIMEOUT_S = 600.0
Command = Callable[[Place, int, Path, Sequence[str]], list[str]]
"""The command for topics, a count of facts, a folder for state, and topics for the statuses."""


@dataclass(frozen=True)
class Peer:
    """A program that runs the join once for each of its `passes`, in one process."""

    key: str
    name: str
    passes: tuple[str, ...]
    command: Command
    directory: Path
    environment: Mapping[str, str]


def lacks_peers() -> str:
    """What is missing to make the peers ready; "" when nothing is."""
    missing = [program for program in ("java", "javac", "mvn") if shutil.which(program) is None]
    return f"the peers of the join need {', '.join(missing)}" if missing else ""


def kafka_streams_peer(run: Run) -> Peer:
    """Kafka Streams: the first pass is by a cold JVM, the second by the same one, warm."""
    source = PEERS_DIRECTORY / "kafka_streams"
    directory = BUILD_DIRECTORY / "kafka-streams"
    jars, classes = directory / "jars", directory / "classes"

    def make() -> None:
        run.say("fetching and compiling Kafka Streams")
        _call(
            "mvn", "--batch-mode", "--quiet", "--file", str(source / "pom.xml"),
            f"-Djars.directory={jars}", "dependency:copy-dependencies",
        )  # fmt: skip
        _call("javac", "-d", str(classes), "-cp", f"{jars}/*", str(source / "SlipJoin.java"))

    _make_once(directory, [source / "pom.xml", source / "SlipJoin.java"], make)

    def command(place: Place, facts: int, folder: Path, outputs: Sequence[str]) -> list[str]:
        return [
            "java", *JAVA_OPTIONS, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
            "-cp", f"{classes}:{jars}/*", "SlipJoin", place.bootstrap, place.prefix, str(facts),
            str(SCHEMAS_DIRECTORY), str(folder / "kafka-streams"), *outputs,
        ]  # fmt: skip

    passes = ("Kafka Streams, cold JVM", "Kafka Streams, warm JVM")
    return Peer("kafka-streams", "Kafka Streams", passes, command, ROOT, os.environ)


def quix_peer(run: Run) -> Peer:
    """quixstreams."""
    return _python_peer(run, "quix", "quixstreams")


def faust_peer(run: Run) -> Peer:
    """A stock Faust agent with a table."""
    return _python_peer(run, "faust", "stock Faust")


def _python_peer(run: Run, key: str, name: str) -> Peer:
    directory = BUILD_DIRECTORY / "peers"
    lock = PEERS_DIRECTORY / "requirements.lock"
    python = directory / "bin" / "python"

    def make() -> None:
        run.say("installing the peers in Python")
        _call(sys.executable, "-m", "venv", str(directory))
        _call(
            str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "-r", str(lock),
        )  # fmt: skip

    _make_once(directory, [lock], make)

    def command(place: Place, facts: int, folder: Path, outputs: Sequence[str]) -> list[str]:
        (output,) = outputs
        return [
            str(python), "-m", f"bench.peers.{key}_join", place.bootstrap, place.prefix,
            str(facts), str(SCHEMAS_DIRECTORY), str(folder / output), output,
        ]  # fmt: skip

    return Peer(key, name, (name,), command, ROOT, {**os.environ, "PYTHONWARNINGS": "ignore"})


def _make_once(directory: Path, sources: Sequence[Path], make: Callable[[], None]) -> None:
    """Makes the directory anew unless it was made from just these sources."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    mark = directory / ".made-from"
    if mark.exists() and mark.read_text() == digest:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    make()
    mark.write_text(digest)


def _call(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SETUP_TIMEOUT_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchFailed(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-2_000:]}")
