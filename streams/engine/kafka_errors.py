"""What Kafka's errors mean to the engine: which pass, which abort, which end it, and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar, cast

from confluent_kafka import KafkaError, KafkaException, Message

from streams.engine.log import (
    Entry,
    Fenced,
    LogError,
    OffsetGone,
    Partition,
    TransactionAborted,
    Unavailable,
)

CALL_TIMEOUT_S = 15.0

_FENCED = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
_OLD_METADATA = {
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    # Of a partition that was added, or that had no leader yet when it was asked for first.
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._NOENT,
}
_PASSING = {
    *_OLD_METADATA,
    KafkaError._PARTITION_EOF,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._WAIT_COORD,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NETWORK_EXCEPTION,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.CONCURRENT_TRANSACTIONS,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}

PROTOCOL_CALL: Final = "ConsumerGroupHeartbeat"
"""The call that brokers without the newer group protocol refuse; librdkafka's error names it."""

_CURED_BY_A_NEW_CLIENT = {
    KafkaError._STATE,
    KafkaError._PREV_IN_PROGRESS,
    KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
    KafkaError.UNKNOWN_PRODUCER_ID,
    KafkaError.INVALID_TXN_STATE,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.REBALANCE_IN_PROGRESS,
}


def by_partition(messages: Sequence[Message], prefix: str) -> dict[Partition, list[Entry]]:
    """The messages that are records, by the partition under its name without the prefix; raises
    for the errors among them that do not pass. Messages are records as they are."""
    found: dict[tuple[str | None, int | None], list[Message]] = {}
    for message in messages:
        if message.error() is not None:
            let_pass(message)
            continue
        where = (message.topic(), message.partition())
        if where in found:
            found[where].append(message)
        else:
            found[where] = [message]
    length = len(prefix)
    return {
        Partition((topic or "")[length:], number or 0): cast("list[Entry]", records)
        for (topic, number), records in found.items()
    }


def let_pass(message: Message) -> None:
    """Raises for a message that is no record but an error, unless the error passes by itself."""
    error = message.error()
    if error is None or error.code() in _PASSING:
        return
    if error.code() in _GONE:
        raise OffsetGone(
            f"records of {message.topic()}/{message.partition()} that must be read are gone "
            f"({error.str()})",
            "Lengthen the topic's retention; to accept the loss, begin anew from what is left, as "
            "docs/operations.md says.",
        )
    if error.fatal():
        raise translate(error)
    raise LogError(f"reading {message.topic()} failed: {error.str()}")


def refuses_protocol(message: Message) -> bool:
    """Whether the broker said that it has not the newer group protocol, or has it switched off."""
    error = message.error()
    return error is not None and error.code() == KafkaError._FATAL and PROTOCOL_CALL in error.str()


def translate(error: KafkaError) -> LogError:
    """What an error of a call means: see `streams.engine.log` for what each answer promises."""
    text = error.str()
    if error.code() in _FENCED:
        return Fenced(f"another process took over this one's identity ({text})")
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return LogError(
            f"a record is larger than the broker takes: {text}",
            "Raise max.message.bytes of the topic, or lower the limits in the policy.",
        )
    if error.txn_requires_abort():
        return TransactionAborted(f"the transaction was aborted: {text}")
    if knows_old_leaders(error):
        return Unavailable(
            f"a partition has no leader yet: {text}",
            "Are all brokers running? One that has just started, or makes topics, needs a while.",
        )
    if _passes(error):
        return Unavailable(f"the broker did not answer: {text}", "Is it running and reachable?")
    if error.code() in _CURED_BY_A_NEW_CLIENT:
        return Unavailable(f"the client could not go on as it was: {text}")
    return LogError(f"the broker refused: {text}")


def _passes(error: KafkaError) -> bool:
    return error.retriable() or error.code() in _PASSING


def knows_old_leaders(error: KafkaError) -> bool:
    """Whether a client asked on the strength of metadata that are no longer true."""
    return error.code() in _OLD_METADATA


def tells_fatal(error: KafkaError) -> bool:
    """Whether it only says that the client met something fatal before, and not what."""
    return error.code() == KafkaError._FATAL


T = TypeVar("T")


def patiently(ask: Callable[[], T], patience_s: float = CALL_TIMEOUT_S) -> T:
    """The answer to a question that changes nothing, asked again while the fault may pass.

    Raises Unavailable when it did not pass in time, LogError for what will not pass.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except KafkaException as error:
            fault: KafkaError = error.args[0]
            if not _passes(fault) or time.monotonic() > deadline:
                raise translate(fault) from error
        except TimeoutError as error:
            if time.monotonic() > deadline:
                raise Unavailable("the broker did not answer in time") from error
        time.sleep(0.1)
