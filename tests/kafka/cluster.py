"""Apache Kafka on this machine, for tests and benchmarks: KRaft, one node or several.

Every node is broker and controller, keeps its files under the directory it is given, and listens
on free ports of 127.0.0.1. Jars come from `make kafka` (tests/kafka/pom.xml); Java 17 runs them.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

JARS_DIRECTORY = Path(__file__).resolve().parents[2] / ".build" / "kafka"
JAVA_VERSION_MIN = 17
START_TIMEOUT_SECONDS = 150.0
"""A broker that was killed looks through all its logs first, which takes a busy machine long."""
STOP_TIMEOUT_SECONDS = 15.0
LOG_TAIL_LINES = 30

# Below the range from which Linux and macOS take ports for outgoing connections, so that nobody
# takes the port of a killed broker before it is restarted.
PORT_FIRST = 20_000
PORT_LAST = 31_999


class KafkaUnavailable(Exception):
    """Apache Kafka cannot run here; the message says what is missing and how to get it."""


class BrokerFailed(Exception):
    """A broker did not start or did not answer; the message ends with the tail of its log."""


def require_kafka() -> None:
    """Return if Java and the jars are here; raise KafkaUnavailable otherwise."""
    if not any(JARS_DIRECTORY.glob("kafka_*.jar")):
        raise KafkaUnavailable("the Apache Kafka jars are not here: run `make kafka` (needs Maven)")
    version = _java_version()
    if version < JAVA_VERSION_MIN:
        raise KafkaUnavailable(f"Java {JAVA_VERSION_MIN} or later is needed, this is {version}")


@dataclass(frozen=True)
class GroupTimes:
    """How fast the broker finds out that a group member has gone, in milliseconds.

    Apache Kafka's defaults (heartbeat 5,000, session 45,000) make every hand-over of a test wait
    for seconds. A session shorter than some seconds evicts healthy members of a busy machine.
    """

    heartbeat_ms: int = 300
    session_ms: int = 6_000


@dataclass
class _Node:
    """One broker: its number (from 1), ports, folder, and its process while it runs."""

    number: int
    port: int
    controller_port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    watchdog: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.directory / "broker.log"

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class KafkaCluster:
    """`brokers` nodes of Apache Kafka that live between `start` and `stop`.

    Use as a context manager, or call both. A node that was killed or stopped keeps its data and
    its ports; `restart` brings it back. If this process dies, the brokers die with it. Settings in
    `settings` go over the ones chosen here. With three brokers the internal topics have three
    replicas and need two in sync, so that one broker may be missing. Clients of a single broker are
    sent to `advertised_port` if there is one, a proxy's, and the broker talks to itself elsewhere;
    `secured` makes the settings of one with a third listener, on `spare_port`.
    """

    def __init__(
        self,
        directory: Path,
        brokers: int = 1,
        *,
        group_times: GroupTimes | None = None,
        settings: dict[str, str] | None = None,
        advertised_port: int | None = None,
        secured: Callable[[Sequence[int]], dict[str, str]] | None = None,
        java_options: Sequence[str] = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"),
    ) -> None:
        self._directory = directory
        self._group_times = group_times or GroupTimes()
        self._settings = settings or {}
        self._java_options = tuple(java_options)
        ports = _free_ports(2 * brokers + 1)
        if advertised_port is not None:
            self._settings = {**_advertised(ports, advertised_port), **self._settings}
        if secured is not None:
            self._settings = {**secured(ports), **self._settings}
        self.spare_port = ports[-1]
        self._nodes = tuple(
            _Node(
                number=index + 1,
                port=ports[2 * index],
                controller_port=ports[2 * index + 1],
                directory=directory / f"broker-{index + 1}",
            )
            for index in range(brokers)
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers, as clients take them in `bootstrap.servers`."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self._nodes)

    @property
    def broker_numbers(self) -> tuple[int, ...]:
        return tuple(node.number for node in self._nodes)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes of the brokers that run."""
        return tuple(_process(node).pid for node in self._nodes if node.is_running())

    def start(self) -> None:
        """Format and start all brokers; return when all answer (about 4 seconds for one)."""
        require_kafka()
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        try:
            for node in self._nodes:
                self._format(node, cluster_id)
            for node in self._nodes:
                self._launch(node)
            self._wait_until_all_answer()
        except BaseException:
            self.kill_all()
            raise

    def stop(self) -> None:
        """Stop all brokers cleanly; one that takes longer than 15 seconds is killed."""
        running = [node for node in self._nodes if node.is_running()]
        for node in running:
            _signal(node, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for node in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _process(node).wait(timeout=max(0.0, deadline - time.monotonic()))
        self.kill_all()

    def kill(self, broker: int) -> None:
        """End one broker with SIGKILL, as a crash would."""
        node = self._node(broker)
        if node.is_running():
            _signal(node, signal.SIGKILL)
        _reap(node)

    def freeze(self, broker: int) -> None:
        """Let one broker take connections and answer nothing, until `thaw`."""
        _signal(self._node(broker), signal.SIGSTOP)

    def thaw(self, broker: int) -> None:
        """Let a frozen broker go on."""
        _signal(self._node(broker), signal.SIGCONT)

    def kill_all(self) -> None:
        """End every broker with SIGKILL: quick, for data that nobody will read again."""
        for node in self._nodes:
            self.kill(node.number)

    def restart(self, broker: int) -> None:
        """Start a killed broker on its data and ports; return when all running ones answer."""
        node = self._node(broker)
        if node.is_running():
            raise ValueError(f"broker {broker} is running; kill it first")
        self._launch(node)
        self._wait_until_all_answer()

    def _node(self, broker: int) -> _Node:
        for node in self._nodes:
            if node.number == broker:
                return node
        raise ValueError(f"no broker {broker}; there are {self.broker_numbers}")

    def _format(self, node: _Node, cluster_id: str) -> None:
        node.directory.mkdir(parents=True)
        properties = node.directory / "server.properties"
        settings = self._broker_settings(node) | self._settings
        properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        arguments = ["format", f"--cluster-id={cluster_id}", "-c", str(properties)]
        result = subprocess.run(
            [*self._java(), "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise BrokerFailed(f"formatting broker {node.number} failed:\n{result.stderr[-2000:]}")

    def _launch(self, node: _Node) -> None:
        with node.log_path.open("ab") as log:
            node.process = subprocess.Popen(
                [*self._java(), "kafka.Kafka", str(node.directory / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=node.directory,
                # Ctrl-C in a terminal goes to the whole process group: the test run ends the
                # broker in order, after its clients.
                start_new_session=True,
            )
        # Reads the pipe that only this process holds open. It ends when this process ends, however
        # it ends, and takes the broker along.
        node.watchdog = subprocess.Popen(
            ["/bin/sh", "-c", f"read -r _; kill -9 {node.process.pid}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _wait_until_all_answer(self) -> None:
        expected = {node.number for node in self._nodes if node.is_running()}
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        for node in self._nodes:
            # Each is asked itself: the others still list a broker that has just been killed.
            admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{node.port}", "log_level": 0})
            while node.number in expected and not _lists_brokers(admin, expected):
                if not node.is_running():
                    raise BrokerFailed(f"broker {node.number} has ended:\n{_log_tail(node)}")
                if time.monotonic() > deadline:
                    raise BrokerFailed(f"broker {node.number} is silent:\n{_log_tail(node)}")
                time.sleep(0.1)

    def _java(self) -> list[str]:
        return [
            _java_program(),
            *self._java_options,
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            f"{JARS_DIRECTORY}/*",
        ]

    def _broker_settings(self, node: _Node) -> dict[str, str]:
        count = len(self._nodes)
        replicas, in_sync = min(3, count), (2 if count >= 3 else 1)
        voters = ",".join(f"{peer.number}@127.0.0.1:{peer.controller_port}" for peer in self._nodes)
        times = self._group_times
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}"
            ),
            "log.dirs": str(node.directory / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(in_sync),
            # One partition each (three for three brokers): the broker starts and stops faster.
            "offsets.topic.num.partitions": str(replicas),
            "offsets.topic.replication.factor": str(replicas),
            "transaction.state.log.num.partitions": str(replicas),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(in_sync),
            "share.coordinator.state.topic.num.partitions": str(replicas),
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(in_sync),
            # A transaction that its writer abandoned is looked for every 10 s by default.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
            # A killed broker may register again only when its session has ended (9 s by default).
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "group.consumer.min.heartbeat.interval.ms": str(times.heartbeat_ms),
            "group.consumer.heartbeat.interval.ms": str(times.heartbeat_ms),
            "group.consumer.min.session.timeout.ms": str(times.session_ms),
            "group.consumer.session.timeout.ms": str(times.session_ms),
            # 128 MB of the heap by default.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
        }


def _advertised(ports: Sequence[int], advertised_port: int) -> dict[str, str]:
    """Settings of a single broker on `ports` (its own, its controller's, its inner one)."""
    own, controller, inner = ports
    return {
        "listeners": (
            f"PLAINTEXT://127.0.0.1:{own},INNER://127.0.0.1:{inner},"
            f"CONTROLLER://127.0.0.1:{controller}"
        ),
        "advertised.listeners": (
            f"PLAINTEXT://127.0.0.1:{advertised_port},INNER://127.0.0.1:{inner}"
        ),
        "inter.broker.listener.name": "INNER",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
    }


def _lists_brokers(admin: AdminClient, expected: set[int]) -> bool:
    try:
        return expected <= set(admin.list_topics(timeout=1.0).brokers)
    except KafkaException:
        return False


def _process(node: _Node) -> subprocess.Popen[bytes]:
    if node.process is None:
        raise ValueError(f"broker {node.number} was never started")
    return node.process


def _signal(node: _Node, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(_process(node).pid, number)


def _reap(node: _Node) -> None:
    """Collect the ended broker, its watchdog first: it must never meet a reused process number."""
    if node.watchdog is not None:
        node.watchdog.kill()
        node.watchdog.wait()
        if node.watchdog.stdin is not None:
            node.watchdog.stdin.close()
        node.watchdog = None
    if node.process is not None:
        node.process.wait()
        node.process = None


def _log_tail(node: _Node) -> str:
    if not node.log_path.exists():
        return f"{node.log_path}: no log"
    lines = node.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([f"{node.log_path}:", *lines])


def _java_program() -> str:
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if program is None or not Path(program).exists():
        raise KafkaUnavailable(f"Java {JAVA_VERSION_MIN} or later is not installed")
    return program


def _java_version() -> int:
    """The major version: 17 of `openjdk version "17.0.15"`, 8 of `java version "1.8.0_402"`."""
    result = subprocess.run(
        [_java_program(), "-version"], capture_output=True, text=True, check=False
    )
    match = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    if match is None:
        raise KafkaUnavailable(f"`java -version` gives no version: {result.stderr.strip()!r}")
    return int(match.group(1))


def _free_ports(count: int) -> list[int]:
    """`count` ports that nobody listens on; two runs at once start looking at different places."""
    span = PORT_LAST - PORT_FIRST + 1
    start = (os.getpid() * 97 + time.monotonic_ns() // 1_000_000) % span
    ports: list[int] = []
    for step in range(span):
        port = PORT_FIRST + (start + step) % span
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise BrokerFailed(f"no {count} free ports between {PORT_FIRST} and {PORT_LAST}")
