"""The topics on a broker: what they should be, what they are, and making those that are missing.

`schemas.topics.TOPICS` says what there is; this says how each one is configured. A topic that
exists is never changed: a difference is explained, with what to do about it.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, assert_never

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.limits import RECORD_BYTES_MAX
from schemas.topics import PARTNER, TOPICS, Retention, Spread, Topic
from schemas.units import DAY_MS, MINUTE_MS
from streams.clients import librdkafka_config
from streams.engine.kafka_log import EMBEDDED_CLUSTER
from streams.settings import KafkaSettings, TopicSettings

PASSING_RETENTION_MS = 14 * DAY_MS
PROGRESS_SEGMENT_BYTES = 16 * 1024 * 1024
"""`progress` is rewritten at each tick and read whole by each worker that starts: small segments
let compaction, which leaves the newest segment alone, keep it short."""
PROGRESS_SEGMENT_MS = 10 * MINUTE_MS
STAMPED_TOPICS = ("ticks", "progress")
"""The broker stamps its own time on these. By a record on `progress` the ticker compares clocks;
the stamps on `ticks` tell how long a tick was on its way."""
MESSAGE_BYTES_MAX = 1_048_588
"""The broker's own default, said aloud so that a broker with a smaller one is found out."""
LISTING_PAUSE_SECONDS = 0.05


class BrokerUnreachable(Exception):
    """The broker does not answer, or does not let us in; the message says which and where."""


class TopicsNotAnswered(BrokerUnreachable):
    """The broker answers, but not to this question about topics; the message says to which."""


class TopicPlan(msgspec.Struct, frozen=True):
    """One topic as it should be on a broker: its full name, partitions and configuration."""

    topic: Topic
    name: str
    partitions: int
    config: dict[str, str]


class TopicState(enum.StrEnum):
    """What was found: as planned, absent, different in a way that matters, or made just now."""

    GOOD = "good"
    MISSING = "missing"
    DIFFERENT = "different"
    CREATED = "created"
    REFUSED = "refused"


class TopicFinding(msgspec.Struct, frozen=True):
    """What was found of one topic: `differences` say what to do, `notes` what to know."""

    name: str
    state: TopicState
    partitions: int | None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        return self.state in (TopicState.GOOD, TopicState.CREATED)


def full_name(prefix: str, topic: str) -> str:
    """The name on the broker of a topic that the code calls `topic`."""
    return prefix + topic


def plan(settings: TopicSettings) -> tuple[TopicPlan, ...]:
    """All topics as they should be, in the order of the list."""
    return tuple(
        TopicPlan(
            topic,
            full_name(settings.prefix, topic.name),
            _partitions(topic.spread, settings),
            _config(topic),
        )
        for topic in TOPICS
    )


def partner_plan(topic: str, settings: TopicSettings) -> TopicPlan:
    """A party's own topic as it should be; `topic` is what `schemas.topics.partner_topic` says."""
    name = full_name(settings.prefix, topic)
    return TopicPlan(PARTNER, name, _partitions(PARTNER.spread, settings), _config(PARTNER))


def _partitions(spread: Spread, settings: TopicSettings) -> int:
    match spread:
        case Spread.FACTS:
            return settings.fact_partitions
        case Spread.ENGINE:
            return settings.engine_partitions
        case Spread.ONE:
            return 1
        case _:
            assert_never(spread)


def _config(topic: Topic) -> dict[str, str]:
    config = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
    match topic.retention:
        case Retention.KEPT:
            config |= {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
        case Retention.COMPACTED:
            config |= {"cleanup.policy": "compact"}
        case Retention.PASSING:
            config |= {"cleanup.policy": "delete", "retention.ms": str(PASSING_RETENTION_MS)}
        case _:
            assert_never(topic.retention)
    if topic.name == "progress":
        config |= {
            "segment.bytes": str(PROGRESS_SEGMENT_BYTES),
            "segment.ms": str(PROGRESS_SEGMENT_MS),
        }
    if topic.name in STAMPED_TOPICS:
        config |= {"message.timestamp.type": "LogAppendTime"}
    return config


class Faults:
    """The reason behind a timeout: a wrong password, or nobody there.

    Knows nothing of the client that tells it: a cycle would leave the client to the cyclic garbage
    collector, which may run on the client's own thread, and then the process aborts.
    """

    def __init__(self) -> None:
        self.last = ""

    def remember(self, error: KafkaError) -> None:
        """The last fault that says more than that no broker is there."""
        if error.name() != "_ALL_BROKERS_DOWN":
            self.last = error.str()


class TopicAdmin:
    """Looks at the topics of a broker and creates those that are missing.

    Every call raises BrokerUnreachable when the broker does not answer within the settings' time,
    and its kind TopicsNotAnswered when it lists its topics but does not describe or create them.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._faults = Faults()
        # What went wrong is in the exception; the client's own lines would say it again.
        quiet: dict[str, Any] = {"log_level": 0, "error_cb": self._faults.remember}
        self._admin = AdminClient(librdkafka_config(kafka) | quiet)
        self._address = kafka.bootstrap_servers
        self._timeout_seconds = kafka.timeout_seconds

    def reach(self) -> None:
        """Return if the broker answers."""
        self._partition_counts()

    def check(self, settings: TopicSettings) -> tuple[TopicFinding, ...]:
        """What is on the broker against the plan, one finding per topic, in the plan's order."""
        planned = plan(settings)
        existing = self._partition_counts()
        present = [item for item in planned if item.name in existing]
        configs = self._configs([item.name for item in present])
        return tuple(
            _compare(item, existing[item.name], configs.get(item.name, {}))
            if item.name in existing
            else TopicFinding(item.name, TopicState.MISSING, None)
            for item in planned
        )

    def create(self, settings: TopicSettings) -> tuple[TopicFinding, ...]:
        """Create what is missing; the findings say what was there, made, or refused and why.

        Returns when the broker lists what it created.
        """
        planned = {item.name: item for item in plan(settings)}
        found = {finding.name: finding for finding in self.check(settings)}
        missing = [
            planned[name] for name, finding in found.items() if finding.state is TopicState.MISSING
        ]
        if not missing:
            return tuple(found.values())
        outcomes = self._create(missing, settings.replication_factor)
        self._wait_until_listed({name for name, done in outcomes.items() if done.is_usable})
        # Looked at again, for somebody else may have made one of them, otherwise, meanwhile.
        again = {finding.name: finding for finding in self.check(settings)}
        for name, outcome in outcomes.items():
            found[name] = again[name] if outcome.is_usable else outcome
            if outcome.is_usable and again[name].state is TopicState.GOOD:
                found[name] = msgspec.structs.replace(again[name], state=outcome.state)
        return tuple(found.values())

    def make(self, item: TopicPlan, replication_factor: int) -> TopicFinding:
        """What became of one topic, which is made if it is not there; it is there at once."""
        good = TopicFinding(item.name, TopicState.GOOD, item.partitions)
        try:
            metadata = self._admin.list_topics(timeout=self._timeout_seconds)
            if item.name in metadata.topics:
                return good
            if str(metadata.cluster_id).startswith(EMBEDDED_CLUSTER):
                # It makes what it is asked for by name, and answers no request to make a topic.
                self._admin.list_topics(item.name, timeout=self._timeout_seconds)
                return good
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from error
        finding = self._create([item], replication_factor)[item.name]
        self._wait_until_listed({item.name} if finding.is_usable else set())
        return finding

    def _create(self, missing: list[TopicPlan], replication_factor: int) -> dict[str, TopicFinding]:
        """Ask for the topics, and say of each what the broker answered."""
        futures = self._admin.create_topics(
            [
                NewTopic(
                    item.name,
                    num_partitions=item.partitions,
                    replication_factor=replication_factor,
                    config=item.config,
                )
                for item in missing
            ],
            operation_timeout=self._timeout_seconds,
            request_timeout=self._timeout_seconds,
        )
        return {item.name: self._outcome(item, futures[item.name]) for item in missing}

    def _outcome(self, item: TopicPlan, future: Future[None]) -> TopicFinding:
        try:
            future.result(self._timeout_seconds + CLIENT_GRACE_SECONDS)
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.name() in TIMED_OUT:
                raise self._not_answered("create topics") from error
            if reason.name() in UNREACHABLE:
                raise self._unreachable(reason) from error
            if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return TopicFinding(item.name, TopicState.GOOD, item.partitions)
            refusal = f"the broker refuses it: {reason.str()}"
            return TopicFinding(item.name, TopicState.REFUSED, None, (refusal,))
        except TimeoutError as error:
            raise self._not_answered("create topics") from error
        return TopicFinding(item.name, TopicState.CREATED, item.partitions)

    def _wait_until_listed(self, names: set[str]) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while not names <= self._partition_counts().keys() and time.monotonic() < deadline:
            time.sleep(LISTING_PAUSE_SECONDS)

    def _partition_counts(self) -> dict[str, int]:
        try:
            topics = self._admin.list_topics(timeout=self._timeout_seconds).topics
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from error
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def _configs(self, names: list[str]) -> dict[str, Mapping[str, ConfigEntry]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        futures = self._admin.describe_configs(resources, request_timeout=self._timeout_seconds)
        configs: dict[str, Mapping[str, ConfigEntry]] = {}
        for resource, future in futures.items():
            try:
                configs[resource.name] = future.result(self._timeout_seconds + CLIENT_GRACE_SECONDS)
            except KafkaException as error:
                if error.args[0].name() in TIMED_OUT:
                    raise self._not_answered("say how its topics are configured") from error
                raise self._unreachable(error.args[0]) from error
            except TimeoutError as error:
                raise self._not_answered("say how its topics are configured") from error
        return configs

    def _not_answered(self, what: str) -> TopicsNotAnswered:
        return TopicsNotAnswered(
            f"the broker at {self._address} lists its topics, but did not {what} within "
            f"{self._timeout_seconds:g} s; the broker of `slipwatch demo` never does"
        )

    def _unreachable(self, reason: KafkaError) -> BrokerUnreachable:
        text = self._faults.last or reason.str()
        return BrokerUnreachable(f"no answer from the broker at {self._address}: {text}")


CLIENT_GRACE_SECONDS = 5.0
"""The client's own limit ends a wait; this is for a client that does not keep it."""

TIMED_OUT = frozenset({"_TIMED_OUT", "REQUEST_TIMED_OUT"})
"""Names of errors that a broker which has just listed its topics gives by not answering more: which
of the client's own limit and ours comes first is a matter of load."""

UNREACHABLE = frozenset(
    {
        "_TRANSPORT",
        "_TIMED_OUT",
        "_ALL_BROKERS_DOWN",
        "_AUTHENTICATION",
        "_SSL",
        "_RESOLVE",
        "REQUEST_TIMED_OUT",
    }
)
"""Names of librdkafka's and Kafka's errors that mean: nobody there, or nobody who lets us in."""


def _compare(item: TopicPlan, partitions: int, config: Mapping[str, ConfigEntry]) -> TopicFinding:
    differences = _said(
        _partition_difference(item, partitions),
        *(_config_difference(item, name, why, config) for name, why in MUST_AGREE),
        _message_size_difference(item, config),
    )
    state = TopicState.DIFFERENT if differences else TopicState.GOOD
    notes = _said(_retention_note(item, config))
    return TopicFinding(item.name, state, partitions, differences, notes)


def _said(*sentences: str | None) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence is not None)


MUST_AGREE: tuple[tuple[str, str], ...] = (
    ("cleanup.policy", "otherwise it forgets what is needed, or grows without end"),
    ("message.timestamp.type", "the ticker compares its clock with the broker's stamp"),
)


def _config_difference(
    item: TopicPlan, name: str, why: str, config: Mapping[str, ConfigEntry]
) -> str | None:
    if name not in item.config or name not in config:
        return None
    found, wanted = config[name].value, item.config[name]
    if found == wanted:
        return None
    return (
        f"{name} is {found}, and must be {wanted}: {why}; to change it: "
        f"kafka-configs.sh --alter --topic {item.name} --add-config {name}={wanted}"
    )


def _partition_difference(item: TopicPlan, partitions: int) -> str | None:
    if item.topic.spread is Spread.FACTS or partitions == item.partitions:
        return None
    found = f"it has {partitions} partitions, and must have {item.partitions}"
    if item.topic.spread is Spread.ONE:
        return f"{found}: create it anew, or all topics under another topics.prefix"
    return (
        f"{found}, because state is split by partition number: if all topics of the engine have "
        f"{partitions}, set topics.engine_partitions to {partitions}; otherwise create all topics "
        "under another topics.prefix and start from the facts"
    )


def _message_size_difference(item: TopicPlan, config: Mapping[str, ConfigEntry]) -> str | None:
    size = config.get("max.message.bytes")
    if size is None or size.value is None or int(size.value) > RECORD_BYTES_MAX:
        return None
    return (
        f"max.message.bytes is {size.value}, and records may have {RECORD_BYTES_MAX} bytes: "
        f"kafka-configs.sh --alter --topic {item.name} "
        f"--add-config max.message.bytes={MESSAGE_BYTES_MAX}"
    )


def _retention_note(item: TopicPlan, config: Mapping[str, ConfigEntry]) -> str | None:
    kept = config.get("retention.ms")
    if kept is None or kept.value is None or item.topic.retention is Retention.COMPACTED:
        return None
    if item.topic.retention is Retention.KEPT and int(kept.value) != -1:
        return (
            f"retention.ms is {kept.value}: what is older is forgotten, so that a replay, a "
            "rebuild or an explanation of an old alert cannot reach back further"
        )
    if item.topic.retention is Retention.PASSING and 0 <= int(kept.value) < PASSING_RETENTION_MS:
        return (
            f"retention.ms is {kept.value}: after a stop longer than that, rows between stages "
            "are lost and the workers refuse to start"
        )
    return None
