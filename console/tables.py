"""The tables of the read model.

Times are UTC milliseconds. `body` is the record as it stood on its topic (JSON); the columns beside
it are those that a query selects or sorts by, taken from the body. `replaced_by` names the columns
whose values a new record replaces as a whole: deleting by them and inserting anew is the only way
in which rows change, so applying a record twice changes nothing.

Growth: `order_lines`, `line_facts`, `line_numbers`, `stock_nodes`, `feeds`, `unlinked`,
`unlinked_facts`, `parked`, `alerts` and `progress` hold what is current and shrink when their
topics do. `alert_revisions`, `verdicts`, `decisions`, `notifications`, `notification_sinks`,
`receipts`, `dead_letters`, `networks` and `ticks` keep the past and grow with it: about
0.5 to 2 KB a row, `ticks` 1 row a tick (86,400 a day at one a second), `networks` up to 1 MB a row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

SCHEMA_VERSION = 4
"""Rises with every change of these tables; a database of another version is built anew."""

PREFIX = "slipwatch_"
"""Begins the name of each table, so that a database may be shared; what bears it is ours."""

metadata = MetaData()


def storable(text: str) -> str:
    """The text as a database can hold it and be asked for it: PostgreSQL knows no NUL."""
    return text.replace("\x00", "\ufffd")


class Words(TypeDecorator[str]):
    """Text that is the same, and sorts in the same order, by its bytes, in every database."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite compares bytes by itself; PostgreSQL as the database was made, unless told."""
        return Text(collation="C") if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """What is written, and what is asked for."""
        return None if value is None else storable(value)


def _table(name: str, *columns: Column[Any] | Index, replaced_by: tuple[str, ...] = ()) -> Table:
    return Table(PREFIX + name, metadata, *columns, info={"replaced_by": replaced_by})


def _text(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, Words, primary_key=key, nullable=optional)


def _count(name: str, *, key: bool = False, optional: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=optional, autoincrement=False)


def _index(table: str, *columns: str) -> Index:
    return Index(f"{PREFIX}{table}_by_{'_'.join(columns)}", *columns)


state = _table(
    "state",
    Column("id", Integer, primary_key=True, autoincrement=False),
    _count("schema_version"),
    _text("owner"),
    _text("cluster_id", optional=True),
    _count("applied_tick", optional=True),
    _count("as_of_tick", optional=True),
    _count("as_of_at", optional=True),
    _count("checked_at", optional=True),
    _count("tick_read_at", optional=True),
    _text("problem", optional=True),
)
"""One row. `applied_tick`: records up to it are in the tables; `as_of_tick`: readers may see them.

They differ only while the model is first built. `checked_at` is on the view's own clock: when it
last found itself level with the topics; so is `tick_read_at`: when it read the newest tick.
`problem` says in plain words why it cannot read them.
"""

offsets = _table(
    "offsets",
    _text("topic", key=True),
    _count("partition", key=True),
    _count("resume_at"),
    _count("read_to"),
)
"""Where to read on. What lies from `resume_at` to `read_to` is applied up to `applied_tick`."""

order_lines = _table(
    "order_lines",
    _text("line_id", key=True),
    _text("order_ref"),
    _text("standing"),
    _count("tick"),
    _text("body"),
    _index("order_lines", "standing"),
    replaced_by=("line_id",),
)
line_facts = _table(
    "line_facts",
    _text("line_id", key=True),
    _count("tick"),
    Column("body", LargeBinary, nullable=False),
    replaced_by=("line_id",),
)
line_numbers = _table(
    "line_numbers",
    _text("line_id", key=True),
    _text("origin", key=True),
    _text("kind", key=True),
    _text("number", key=True),
    _text("bare"),
    _index("line_numbers", "number"),
    _index("line_numbers", "bare"),
    replaced_by=("line_id", "origin"),
)
"""Every number by which a line is known; `bare` is the number without the party that issued it."""

alerts = _table(
    "alerts",
    _text("alert_id", key=True),
    _text("state"),
    _count("severity_rank"),
    _count("opened_at"),
    _count("tick"),
    _text("body"),
    _index("alerts", "severity_rank", "opened_at", "alert_id"),
    replaced_by=("alert_id",),
)
alert_accounts = _table(
    "alert_accounts",
    _text("alert_id", key=True),
    _text("account", key=True),
    _index("alert_accounts", "account"),
    replaced_by=("alert_id",),
)
alert_rules = _table(
    "alert_rules",
    _text("alert_id", key=True),
    _text("rule", key=True),
    _index("alert_rules", "rule"),
    replaced_by=("alert_id",),
)
alert_subjects = _table(
    "alert_subjects",
    _text("alert_id", key=True),
    _text("subject", key=True),
    _index("alert_subjects", "subject"),
    replaced_by=("alert_id",),
)
alert_revisions = _table(
    "alert_revisions",
    _text("alert_id", key=True),
    _count("tick", key=True),
    _text("body"),
    replaced_by=("alert_id", "tick"),
)
verdicts = _table(
    "verdicts",
    _text("subject", key=True),
    _text("rule", key=True),
    _count("tick", key=True),
    _count("at"),
    _text("alert_id", optional=True),
    _text("body"),
    _index("verdicts", "subject", "tick"),
    _index("verdicts", "alert_id"),
    replaced_by=("subject", "rule", "tick"),
)
"""What each rule said of a line or feed from a tick on, until its next row."""

decisions = _table(
    "decisions",
    _count("partition", key=True),
    _count("offset", key=True),
    _text("alert_id"),
    _count("tick"),
    _text("kind"),
    _text("recipient", optional=True),
    _text("notification_id", optional=True),
    _text("body"),
    _index("decisions", "alert_id", "tick"),
    _index("decisions", "notification_id"),
    replaced_by=("partition", "offset"),
)
"""The life of alerts, and who was told or why not. Verdicts lie in their own table."""

notifications = _table(
    "notifications",
    _text("notification_id", key=True),
    _text("recipient"),
    _text("alert_id"),
    _count("tick"),
    _count("at"),
    _text("body"),
    _index("notifications", "alert_id"),
    _index("notifications", "at", "notification_id"),
    replaced_by=("notification_id",),
)
notification_sinks = _table(
    "notification_sinks",
    _text("notification_id", key=True),
    _text("sink", key=True),
    replaced_by=("notification_id",),
)
receipts = _table(
    "receipts",
    _text("message_key", key=True),
    _text("notification_id"),
    _text("sink"),
    _text("outcome"),
    _text("body"),
    _index("receipts", "notification_id", "sink"),
    replaced_by=("message_key",),
)
stock_nodes = _table(
    "stock_nodes",
    _text("node_id", key=True),
    _text("item"),
    _text("site"),
    _text("standing"),
    _count("standing_rank"),
    _text("body"),
    _index("stock_nodes", "standing_rank", "node_id"),
    _index("stock_nodes", "site"),
    _index("stock_nodes", "item"),
    replaced_by=("node_id",),
)
feeds = _table(
    "feeds",
    _text("source", key=True),
    Column("blind", Boolean, nullable=False),
    _text("body"),
    replaced_by=("source",),
)
dead_letters = _table(
    "dead_letters",
    _text("id", key=True),
    _text("source", optional=True),
    _text("reason"),
    _count("tick"),
    _count("at"),
    _count("retried_at", optional=True),
    _text("body"),
    _index("dead_letters", "at", "id"),
    replaced_by=("id",),
)
unlinked = _table(
    "unlinked",
    _text("number", key=True),
    _count("waiting"),
    _count("since"),
    _text("body"),
    _index("unlinked", "since", "number"),
    replaced_by=("number",),
)
unlinked_facts = _table(
    "unlinked_facts",
    _text("number", key=True),
    _text("source", key=True),
    _text("kind", key=True),
    _count("facts"),
    _count("since"),
    replaced_by=("number",),
)
parked = _table(
    "parked",
    _text("message_key", key=True),
    _text("body"),
    replaced_by=("message_key",),
)
progress = _table(
    "progress",
    _text("message_key", key=True),
    _text("stage"),
    _count("partition"),
    _count("tick"),
    _text("body"),
    replaced_by=("message_key",),
)
ticks = _table(
    "ticks",
    _count("n", key=True),
    _count("at"),
    _text("body"),
    replaced_by=("n",),
)
networks = _table(
    "networks",
    _text("version", key=True),
    _count("chunk", key=True),
    Column("body", LargeBinary, nullable=False),
    replaced_by=("version", "chunk"),
)
"""The published versions as they lie on their topic. The view cannot read them: whoever answers for
orders that do not exist yet is handed in, and can."""

unreadable = _table(
    "unreadable",
    _text("topic", key=True),
    _count("partition", key=True),
    _count("offset", key=True),
    _text("error"),
    replaced_by=("topic", "partition", "offset"),
)
"""Records of the output topics that are none; the view shows that they exist and goes on."""
