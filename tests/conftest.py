"""What every test may ask for: Apache Kafka, the real data, names of its own.

`kafka` tests need Java 17 and `make kafka`, or a broker that runs already. Without either they are
skipped with one line, or fail where SLIPWATCH_TEST_KAFKA=required says that they must run. Those on
PostgreSQL need its server, and SLIPWATCH_TEST_POSTGRES=required says the same of them.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from streams.logs import LOGGERS
from tests.kafka.cluster import KafkaCluster, KafkaUnavailable, require_kafka
from tests.postgres import Postgres, PostgresUnavailable

KAFKA_FIXTURES = frozenset({"kafka_cluster", "bootstrap"})
REAL_DATA_VARIABLE = "SLIPWATCH_TEST_DATA"
BOOTSTRAP_VARIABLE = "SLIPWATCH_TEST_BOOTSTRAP"
KAFKA_VARIABLE = "SLIPWATCH_TEST_KAFKA"
POSTGRES_VARIABLE = "SLIPWATCH_TEST_POSTGRES"

# Examples are chosen at random on a developer's machine, where a find is welcome, and are the same
# in every run of CI, where it would be blamed on the wrong change. No deadline per example: the
# machine's load is not the code's fault, and every test has a time limit of its own.
hypothesis.settings.register_profile("default", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the broker, so that `-m kafka` and `-m 'not kafka'` never miss a test."""
    for item in items:
        if KAFKA_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kafka") is None:
        return
    reason = _kafka_missing()
    if reason is None:
        return
    if os.environ.get(KAFKA_VARIABLE) == "required":
        pytest.fail(f"{KAFKA_VARIABLE}=required, but {reason}", pytrace=False)
    pytest.skip(f"tests on Apache Kafka: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have met, where that is their result: seeds, rounds, counts."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [each for report in reports for each in report.user_properties]
    if told:
        terminalreporter.section("what was met")
    for name, value in told:
        terminalreporter.line(f"{name}: {value}")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A command run within a test sets up logs for its process; the next test's are not those."""
    levels = {name: logging.getLogger(name).level for name in (None, *LOGGERS)}
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the session, where one is installed."""
    try:
        server = Postgres()
    except PostgresUnavailable as unavailable:
        if os.environ.get(POSTGRES_VARIABLE) == "required":
            raise
        pytest.skip(f"tests on PostgreSQL: {unavailable}")
    with server:
        yield server


@functools.cache
def _kafka_missing() -> str | None:
    """Why tests on Apache Kafka cannot run here, or None if they can."""
    if os.environ.get(BOOTSTRAP_VARIABLE):
        return None
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        return str(unavailable)
    return None


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One node of Apache Kafka for the whole run; tests that harm a broker start their own."""
    if os.environ.get(BOOTSTRAP_VARIABLE):
        pytest.skip(f"needs a broker of its own, and {BOOTSTRAP_VARIABLE} names another")
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka") / "cluster")
    cluster.start()
    yield cluster
    cluster.kill_all()


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest) -> str:
    """The address of an Apache Kafka that all tests share: use `unique_name` for names on it."""
    running = os.environ.get(BOOTSTRAP_VARIABLE)
    if running:
        return running
    cluster: KafkaCluster = request.getfixturevalue("kafka_cluster")
    return cluster.bootstrap


_RUN = uuid.uuid4().hex[:8]
_COUNTER = itertools.count(1)


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test and no other run uses, legal as part of a topic, group or id."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{test[:60]}-{_RUN}-{next(_COUNTER)}"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets (scms/, olist/, ...); never a part of the project."""
    named = os.environ.get(REAL_DATA_VARIABLE)
    if not named:
        pytest.skip(f"tests on real data: {REAL_DATA_VARIABLE} does not name their folder")
    directory = Path(named).resolve()
    if not directory.is_dir():
        pytest.fail(f"{REAL_DATA_VARIABLE}={named} is not a folder", pytrace=False)
    return directory
