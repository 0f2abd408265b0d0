"""The one list of topics: key, partitioning, value, retention, who writes, who reads.

Code, documents, `slipwatch topics list` and the creation of topics on a broker all read `TOPICS`.
"""

from __future__ import annotations

import enum
from hashlib import blake2b

import msgspec

from schemas.facts import Family


class Retention(enum.StrEnum):
    """How a topic forgets: never, by compaction to the last record of a key, or after a time."""

    KEPT = "kept"
    COMPACTED = "compacted"
    PASSING = "passing"


class Spread(enum.StrEnum):
    """How many partitions a topic has: what its senders chose, the engine's count, or one."""

    FACTS = "facts"
    ENGINE = "engine"
    ONE = "one"


class Topic(msgspec.Struct, frozen=True):
    """One topic. Records of `passing` topics are read within seconds and kept for two weeks, the
    longest stop after which workers go on by themselves."""

    name: str
    says: str
    key: str
    value: str
    spread: Spread
    retention: Retention
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    internal: bool = False


def _facts(family: Family, says: str, key: str) -> Topic:
    return Topic(
        family.value,
        says,
        key,
        f"Avro, {family.value}.avsc",
        Spread.FACTS,
        Retention.KEPT,
        ("sources", "slipwatch send", "slipwatch door", "simulator"),
        ("intake",),
    )


def _rows(name: str, says: str, key: str, writers: tuple[str, ...], reader: str) -> Topic:
    return Topic(
        name,
        says,
        key,
        "MessagePack, batches of rows",
        Spread.ENGINE,
        Retention.PASSING,
        writers,
        (reader,),
        internal=True,
    )


def _state(name: str, says: str, key: str, stage: str) -> Topic:
    return Topic(
        name,
        says,
        key,
        "MessagePack, state of a key",
        Spread.ENGINE,
        Retention.COMPACTED,
        (stage,),
        (stage,),
        internal=True,
    )


def _json(  # noqa: PLR0913, PLR0917 - the columns of the table below
    name: str,
    says: str,
    key: str,
    record: str,
    retention: Retention,
    writers: tuple[str, ...],
    readers: tuple[str, ...],
    spread: Spread = Spread.ENGINE,
) -> Topic:
    return Topic(name, says, key, f"JSON, {record}", spread, retention, writers, readers)


COMPACTED, KEPT = Retention.COMPACTED, Retention.KEPT

TOPICS: tuple[Topic, ...] = (
    _facts(Family.ORDERS, "What buyers and suppliers say of order lines.", "order number"),
    _facts(Family.SHIPMENTS, "What shippers and carriers say of shipments.", "shipment number"),
    _facts(Family.INVENTORY, "What sites say of their stock.", "item and site"),
    _facts(Family.PAYMENTS, "What suppliers, buyers and banks say of invoices and payments.",
           "invoice or payment number"),
    _facts(Family.HEARTBEATS, "Sources say that they are alive and complete.", "source"),
    _json(
        "ticks", "Cuts through the log; time for everything visible.", "none", "Tick",
        KEPT, ("ticker",), ("intake", "replay", "view"), Spread.ONE,
    ),
    _json(
        "progress", "Where each stage's partition stands.", "stage, topic and partition",
        "StageProgress", COMPACTED, ("engine",), ("engine", "ticker", "view", "status"), Spread.ONE,
    ),
    Topic(
        "networks", "Published versions of the chain, in chunks.", "version and chunk",
        "JSON, chunk of a network", Spread.ONE, KEPT,
        ("slipwatch network publish",), ("engine", "view", "replay"),
    ),
    Topic(
        "policies", "Published versions of the policy.", "version",
        "JSON, chunk of a policy", Spread.ONE, KEPT,
        ("slipwatch policy publish",), ("engine", "view", "replay"),
    ),
    _json(
        "schemas", "What a schema registry said that its ids stand for, as first learned.", "id",
        "RegisteredSchema", KEPT, ("engine",), ("engine", "replay"), Spread.ONE,
    ),
    _rows("links-rows", "Facts, by the number that they are about.", "number",
          ("intake", "links", "ledgers"), "links"),
    _rows("ledgers-rows", "Facts, by line or source.", "line id, stock node or source",
          ("links", "intake"), "ledgers"),
    _rows("cells-rows", "What changed of a line, stock node or source.", "cell",
          ("ledgers",), "cells"),
    _rows("incidents-rows", "Findings, by root cause.", "cause", ("cells",), "incidents"),
    _rows("notices-rows", "Alerts that changed, by recipient.", "recipient",
          ("incidents",), "notices"),
    _state("links-state", "Which lines a number stands for, and what waits.", "number", "links"),
    _state("sources-state", "When each source was last heard.", "source", "ledgers"),
    Topic(
        "lines", "The facts of each order line; the state of its ledger.", "line id",
        "MessagePack, facts of a line", Spread.ENGINE, COMPACTED,
        ("ledgers",), ("ledgers", "view"),
    ),
    _state("stock-state", "The facts of each stock node by day, and its opening balance.",
           "stock node, and day", "ledgers"),
    _state("cells-state", "Lines and stock nodes as their cell sees them, and the last verdicts.",
           "cell and line", "cells"),
    _state("incidents-state", "Incidents and their findings.", "cause, and finding",
           "incidents"),
    _state("notices-state", "What each recipient was told.", "recipient and alert", "notices"),
    _state("parked-state", "Rows that wait at keys whose evaluation failed.", "stage and key",
           "engine"),
    Topic(
        "relay-state", "Which parties have a topic, and the key of the ids of their lines.",
        "id-key, party or partition", "text and bytes", Spread.ONE, COMPACTED,
        ("relay",), ("relay", "webhooks"), internal=True,
    ),
    Topic(
        "partner-webhooks", "Which party is told at which address; no secret.", "party",
        "JSON, address of a party", Spread.ONE, COMPACTED,
        ("slipwatch partners webhook",), ("webhooks", "slipwatch partners webhook"), internal=True,
    ),
    Topic(
        "partner-receipts", "What each party was told by webhook, and how its address answers.",
        "party, and id of the line for it", "MessagePack, digest or standing", Spread.ONE,
        COMPACTED, ("webhooks",), ("webhooks", "slipwatch partners webhook"), internal=True,
    ),
    _json("order-status", "Each order line as of now, until its tombstone leaves `lines`.",
          "line id", "OrderStatus", COMPACTED, ("cells", "ledgers"), ("view", "anyone")),
    Topic(
        "partner-status", "Each order line as each of its subscribed parties may see it.",
        "party and line id", "JSON, PartnerStatus", Spread.ENGINE, COMPACTED,
        ("cells",), ("relay", "webhooks"), internal=True,
    ),
    _json("stock-status", "Each stock node as of now.", "item@site", "StockStatus", COMPACTED,
          ("cells",), ("view", "anyone")),
    _json("feeds", "Each source: when it last spoke, whether it is blind.", "source",
          "FeedStatus", COMPACTED, ("ledgers",), ("view", "anyone")),
    _json("alerts", "Each incident as of now.", "alert id", "Alert", COMPACTED,
          ("incidents",), ("view", "anyone")),
    _json("decisions", "Every judgement that changed.", "subject", "Decision", KEPT,
          ("cells", "ledgers", "incidents", "notices"), ("view", "anyone")),
    _json("notifications", "What a recipient is to be told.", "recipient", "Notification", KEPT,
          ("notices",), ("delivery", "view")),
    _json("receipts", "What became of each delivery.", "notification id and sink", "Receipt",
          COMPACTED, ("delivery",), ("delivery", "view")),
    _json("dead-letters", "Records that could not be used, with the reason.",
          "id: where the record lies, or what refused it, source and event", "DeadLetter", KEPT,
          ("intake", "links", "ledgers"),
          ("view", "slipwatch dead-letters")),
    _json("unlinked", "Numbers that stand for no line yet, and lines that nobody knows yet.",
          "number or line id", "Unlinked", COMPACTED, ("links", "ledgers"), ("view",)),
    _json("parked", "Keys whose evaluation failed.", "stage, partition and key", "Parked",
          COMPACTED, ("engine",), ("view", "status")),
)  # fmt: skip

TOPIC_BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
FACT_TOPICS: tuple[str, ...] = tuple(family.value for family in Family)

PARTNER = _json(
    "order-status.<party>", "Each order line of a subscribed party, as it may see it.",
    "id of the line for the party", "PartnerStatus", COMPACTED, ("relay",), ("the party",),
    Spread.ONE,
)  # fmt: skip
"""What the topic of each subscribed party is; the relay makes it."""
PARTNER_TOPIC = "order-status."
"""What the name of each partner's own topic begins with; see `partner_topic`."""
PARTNER_NAME_LENGTH_MAX = 120
"""A broker takes names of 249 characters; this leaves room for an installation's prefix."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_CUT = "__"
"""Stands in a name that is cut short, and in no other: after a single `_` come two digits."""


def partner_topic(party: str) -> str:
    """The topic of a subscribed party's own order status, without the installation's prefix.

    `order-status.` and the party's id, in which every byte that is no ASCII letter, digit or `-` is
    written `_` and two hexadecimal digits: `order-status.NORDIC-RETAIL`, `order-status.A_26B` for
    A&B. A name that would be longer than `PARTNER_NAME_LENGTH_MAX` is cut and ends in 32 digits of
    the id's BLAKE2b. Different parties have different topics, and no broker refuses the name.
    """
    data = party.encode()
    name = "".join([chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in data])
    if len(name) > PARTNER_NAME_LENGTH_MAX:
        digest = blake2b(data, digest_size=16).hexdigest()
        name = f"{name[: PARTNER_NAME_LENGTH_MAX - len(_CUT) - len(digest)]}{_CUT}{digest}"
    return PARTNER_TOPIC + name
