"""Limits on what may be said: each with its name, its unit, and what becomes of one more.

The one list of them; whoever holds a limit takes it from here, and docs/limits.md is made from
`LIMITS`. A limit is there so that memory and time stay bounded whatever comes in; it lies far above
what is sensible. Tests go to each limit, and one past it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

REFERENCE_LENGTH_MAX: Final = 200
REASON_LENGTH_MAX: Final = 2_000
UNIT_LENGTH_MAX: Final = 20
VALUE_MINOR_MAX: Final = 10**15
"""Exact as a JSON number, which many programs read as a double."""
STOPS_PER_SHIPMENT_MAX: Final = 100
NET_DAYS_MAX: Final = 3_650
SCHEDULES_PER_LINE_MAX: Final = 100
DECIMAL_BYTES_MAX: Final = 16
"""18 digits need 8 bytes, and zeros may stand before them."""
LINKS_PER_FACT_MAX: Final = 5
"""By the fields that there are: the supplier's order and line, the shipment, and the carrier's
number, which also stands for the shipment; or the invoice and the payment in place of these."""

FACTS_PER_LINE_MAX: Final = 500
FACT_BYTES_PER_LINE_MAX: Final = 500_000
FACTS_PER_NUMBER_MAX: Final = 500
FACT_BYTES_PER_NUMBER_MAX: Final = 300_000
PARTNER_FACTS_MAX: Final = 100
PARTNER_FACT_BYTES_MAX: Final = 60_000
"""So that no partner can fill a line or number that is not its own."""
LINES_PER_NUMBER_MAX: Final = 10_000
LINE_CHARS_PER_NUMBER_MAX: Final = 400_000
FACTS_PER_STOCK_NODE_MAX: Final = 5_000
FACT_BYTES_PER_STOCK_DAY_MAX: Final = 500_000
OPEN_PER_STOCK_NODE_MAX: Final = 500
SOURCES_PER_STOCK_NODE_MAX: Final = 50
CLASHES_PER_STOCK_NODE_MAX: Final = 20
LINES_HIT_MAX: Final = 100
STOCK_BALANCES_LISTED: Final = 60
STOCK_FLOWS_LISTED: Final = 100
PRICES_PER_LIST_MAX: Final = 2_000
WORTHS_PER_NUMBER_MAX: Final = 1_500
"""With ids of the usual length, 150 KB of the record that keeps a number."""
CONSEQUENCES_LISTED: Final = 20

RECORD_BYTES_MAX: Final = 900_000
"""Brokers take 1,048,588 by default."""
LETTER_VALUE_BYTES_MAX: Final = 500_000
LETTER_KEY_BYTES_MAX: Final = 50_000
ERROR_CHARS_MAX: Final = 500

SCHEMA_ID_MAX: Final = 10_000_000
"""Registries count up from 1, a hosted one from 100,001. Bytes that only look like Confluent's
format name any id up to 4,294,967,295: of a million such records 2,300 are asked about."""
SCHEMA_CHARS_MAX: Final = 200_000
REGISTRY_ANSWER_BYTES_MAX: Final = 1_000_000

FACT_FILE_BYTES_MAX: Final = 1 << 30
FACT_OBJECT_CHARS_MAX: Final = 100_000
FACT_FIELDS_MAX: Final = 100

CSV_LINE_CHARS_MAX: Final = 1_000_000
CSV_COLUMNS_MAX: Final = 1_000
CSV_CELL_CHARS_MAX: Final = 20_000
MAPPING_FILE_CHARS_MAX: Final = 1_000_000
MAPPING_DEPTH_MAX: Final = 60
MAPPING_VALUES_MAX: Final = 100
MAPPING_FACTS_MAX: Final = 100
MAPPING_INPUTS_MAX: Final = 50
MAPPING_JOINS_MAX: Final = 20
MAPPING_TEXT_CHARS_MAX: Final = 20_000
POINTER_CHARS_MAX: Final = 200
POINTER_GAPS_MAX: Final = 2
JOINED_ROWS_MAX: Final = 10_000_000
SQLITE_VALUE_BYTES_MAX: Final = 1_000_000
SQLITE_STEPS_MAX: Final = 100_000_000_000
"""Some fifteen minutes; a row of a plain query takes a few dozen steps."""

NETWORK_FILE_BYTES_MAX: Final = 64 * 1024 * 1024
NETWORK_ROWS_MAX: Final = 1_000_000
NETWORK_ROW_FIELDS_MAX: Final = 100
NETWORK_FIELD_CHARS_MAX: Final = 20_000
NETWORK_LIST_ENTRIES_MAX: Final = 10_000
NETWORK_DEPTH_MAX: Final = 20
NETWORK_PROBLEMS_MAX: Final = 1_000
CELL_NODES_MAX: Final = 50_000
ITEM_UNITS_MAX: Final = 50

POLICY_FILE_BYTES_MAX: Final = 1_000_000
POLICY_DEPTH_MAX: Final = 8
POLICY_ENTRIES_MAX: Final = 10_000

RHYTHM_DAYS_MAX: Final = 28
QUARANTINE_HOURS_MAX: Final = 48

SETTINGS_FILE_BYTES_MAX: Final = 1_000_000
SETTINGS_DEPTH_MAX: Final = 10
SETTINGS_PROBLEMS_MAX: Final = 100
SECRET_FILE_BYTES_MAX: Final = 65_536

PAGE_ENTRIES_MAX: Final = 1_000
ASKED_ID_CHARS_MAX: Final = 400
CURSOR_CHARS_MAX: Final = 2_000
FILTER_CHARS_MAX: Final = 200
PROMISE_SOURCES_MAX: Final = 100

DOOR_BODY_BYTES_MAX: Final = 1_000_000
DOOR_BATCH_FACTS_MAX: Final = 1_000
DOOR_REQUESTS_MAX: Final = 100
DOOR_CONNECTIONS_MAX: Final = 200
DOOR_HEAD_SECONDS_MAX: Final = 10
DOOR_BODY_SECONDS_MAX: Final = 30
DOOR_AHEAD_SECONDS_MAX: Final = 300
"""Clocks of partners are seldom further off."""
TOKEN_FILE_BYTES_MAX: Final = 1_000_000
DOOR_FILE_BYTES_MAX: Final = 20_000_000
"""Of JSON all is in memory: with one character past U+FFFF five times as many bytes."""
DOOR_PROBLEMS_MAX: Final = 1_000
LINK_CHARS_MAX: Final = 5_000
FORM_BYTES_MAX: Final = 20_000
LINK_HOURS_MAX: Final = 24 * 60

WEBHOOK_SECRET_BYTES_MAX: Final = 64
WEBHOOKS_MAX: Final = 200
"""Each has a few connections open at once, and a process may have about a thousand."""
WEBHOOK_URL_CHARS_MAX: Final = 2_000
WEBHOOK_BOTH_HOURS_MAX: Final = 24 * 90
RETRY_AFTER_SECONDS_MAX: Final = 3_600


class Limit(NamedTuple):
    """One limit: the name of its constant, the value, its unit, and what happens past it."""

    name: str
    most: int
    unit: str
    past_it: str


class Group(NamedTuple):
    """The limits of one kind of input."""

    title: str
    limits: tuple[Limit, ...]


_LETTER = "the fact is a dead letter"
_REFUSED = "the file is refused"

LIMITS: Final[tuple[Group, ...]] = (
    Group(
        "One fact",
        (
            Limit("REFERENCE_LENGTH_MAX", REFERENCE_LENGTH_MAX, "characters of an id, reference or "
                  "other text", f"{_LETTER} (`too_long`)"),
            Limit("REASON_LENGTH_MAX", REASON_LENGTH_MAX, "characters of `reason`",
                  f"{_LETTER} (`too_long`)"),
            Limit("UNIT_LENGTH_MAX", UNIT_LENGTH_MAX, "characters of `unit`",
                  f"{_LETTER} (`too_long`)"),
            Limit("VALUE_MINOR_MAX", VALUE_MINOR_MAX, "minor units in `value_minor`",
                  f"{_LETTER} (`value_out_of_range`)"),
            Limit("SCHEDULES_PER_LINE_MAX", SCHEDULES_PER_LINE_MAX, "the highest `schedule` of a "
                  "confirmation", f"{_LETTER} (`value_out_of_range`)"),
            Limit("STOPS_PER_SHIPMENT_MAX", STOPS_PER_SHIPMENT_MAX, "the highest `stop` of a "
                  "shipment", f"{_LETTER} (`value_out_of_range`)"),
            Limit("NET_DAYS_MAX", NET_DAYS_MAX, "`net_days` of an invoice",
                  f"{_LETTER} (`value_out_of_range`)"),
            Limit("DECIMAL_BYTES_MAX", DECIMAL_BYTES_MAX, "bytes of a decimal in Avro",
                  f"{_LETTER} (`value_out_of_range`)"),
            Limit("LINKS_PER_FACT_MAX", LINKS_PER_FACT_MAX, "links between numbers that a fact "
                  "teaches", "there are no fields for more"),
        ),
    ),
    Group(
        "Lines and numbers",
        (
            Limit("FACTS_PER_LINE_MAX", FACTS_PER_LINE_MAX, "facts kept of an order line",
                  f"{_LETTER} (`line_full`); the line keeps what it has"),
            Limit("FACT_BYTES_PER_LINE_MAX", FACT_BYTES_PER_LINE_MAX, "bytes of the facts kept of "
                  "an order line", f"{_LETTER} (`line_full`); a shorter one may still fit"),
            Limit("FACTS_PER_NUMBER_MAX", FACTS_PER_NUMBER_MAX, "facts kept of a number (an order, "
                  "a shipment)", f"{_LETTER} (`number_full`); facts that name a line reach it"),
            Limit("FACT_BYTES_PER_NUMBER_MAX", FACT_BYTES_PER_NUMBER_MAX, "bytes of the facts kept "
                  "of a number", f"{_LETTER} (`number_full`)"),
            Limit("PARTNER_FACTS_MAX", PARTNER_FACTS_MAX, "facts kept of an order line, or of a "
                  "number, from one partner's door", f"{_LETTER} (`line_full`, `number_full`)"),
            Limit("PARTNER_FACT_BYTES_MAX", PARTNER_FACT_BYTES_MAX, "bytes of these facts",
                  f"{_LETTER} (`line_full`, `number_full`)"),
            Limit("LINES_PER_NUMBER_MAX", LINES_PER_NUMBER_MAX, "lines or numbers that a number "
                  "stands for", "the link is a dead letter (`number_full`): what is told of the "
                  "number does not reach that line"),
            Limit("LINE_CHARS_PER_NUMBER_MAX", LINE_CHARS_PER_NUMBER_MAX, "characters of their ids",
                  "the link is a dead letter (`number_full`)"),
            Limit("WORTHS_PER_NUMBER_MAX", WORTHS_PER_NUMBER_MAX, "amounts of lines by which what "
                  "is paid of an invoice or order is shared", "the amount is a dead letter "
                  "(`number_full`): the line gets no share by it"),
            Limit("PRICES_PER_LIST_MAX", PRICES_PER_LIST_MAX, "order lines of an account whose "
                  "prices for an item are compared", "those that were placed last are"),
            Limit("CONSEQUENCES_LISTED", CONSEQUENCES_LISTED, "consequences listed in an alert",
                  "the worst are listed, all are counted in `consequence_count`"),
        ),
    ),
    Group(
        "Stock nodes",
        (
            Limit("FACTS_PER_STOCK_NODE_MAX", FACTS_PER_STOCK_NODE_MAX, "facts kept one by one of "
                  "a stock node", "its oldest days are settled before the lateness horizon has "
                  "passed: what is told of them later is a dead letter (`too_late`)"),
            Limit("FACT_BYTES_PER_STOCK_DAY_MAX", FACT_BYTES_PER_STOCK_DAY_MAX, "bytes of the "
                  "facts of a stock node that happened on one day (UTC)",
                  f"{_LETTER} (`node_full`); a shorter one may still fit"),
            Limit("OPEN_PER_STOCK_NODE_MAX", OPEN_PER_STOCK_NODE_MAX, "transfers on their way to a "
                  "stock node, and lines that stock is set aside for, older than its facts",
                  "the transfers that left first, and the lines whose ids sort first, are no "
                  "longer reckoned with"),
            Limit("SOURCES_PER_STOCK_NODE_MAX", SOURCES_PER_STOCK_NODE_MAX, "sources of a stock "
                  "node remembered for longer than its facts", "the others are forgotten"),
            Limit("CLASHES_PER_STOCK_NODE_MAX", CLASHES_PER_STOCK_NODE_MAX, "contradictions listed "
                  "of a stock node", "the first are listed, all are counted"),
            Limit("LINES_HIT_MAX", LINES_HIT_MAX, "lines that a shortage names",
                  "those that fall due first are named, all are counted in `line_count`"),
            Limit("STOCK_BALANCES_LISTED", STOCK_BALANCES_LISTED, "dates of a projection listed in "
                  "`stock-status`", "the first are listed; the key figures are those of all"),
            Limit("STOCK_FLOWS_LISTED", STOCK_FLOWS_LISTED, "movements of a projection listed in "
                  "`stock-status`", "the first are listed, all are counted in `flow_count`"),
        ),
    ),
    Group(
        "Records",
        (
            Limit("RECORD_BYTES_MAX", RECORD_BYTES_MAX, "bytes of a record between stages, or of "
                  "a part of a published version", "it is written as several records"),
            Limit("LETTER_VALUE_BYTES_MAX", LETTER_VALUE_BYTES_MAX, "bytes of the original value "
                  "in a dead letter", "the letter holds the beginning and says the whole size "
                  "(`value_bytes`); the record lies where the letter says"),
            Limit("LETTER_KEY_BYTES_MAX", LETTER_KEY_BYTES_MAX, "bytes of the original key in a "
                  "dead letter", "the letter holds its beginning"),
            Limit("ERROR_CHARS_MAX", ERROR_CHARS_MAX, "characters of an error that quotes what "
                  "somebody else wrote", "the rest is left out"),
        ),
    ),
    Group(
        "Schema registry",
        (
            Limit("SCHEMA_ID_MAX", SCHEMA_ID_MAX, "the highest id of a schema",
                  f"{_LETTER} (`unknown_schema_id`), and the registry is not asked"),
            Limit("SCHEMA_CHARS_MAX", SCHEMA_CHARS_MAX, "characters of a schema",
                  f"{_LETTER} (`schema_mismatch`)"),
            Limit("REGISTRY_ANSWER_BYTES_MAX", REGISTRY_ANSWER_BYTES_MAX, "bytes of an answer of "
                  "the registry", "the schema counts as too long"),
        ),
    ),
    Group(
        "Files of facts as JSON",
        (
            Limit("FACT_FILE_BYTES_MAX", FACT_FILE_BYTES_MAX, "bytes of a file", _REFUSED),
            Limit("FACT_OBJECT_CHARS_MAX", FACT_OBJECT_CHARS_MAX, "characters of an object",
                  "the object is refused, the next one is read"),
            Limit("FACT_FIELDS_MAX", FACT_FIELDS_MAX, "fields of an object",
                  "the object is refused, the next one is read"),
        ),
    ),
    Group(
        "CSV, SQLite and mappings",
        (
            Limit("CSV_LINE_CHARS_MAX", CSV_LINE_CHARS_MAX, "characters of a line of a CSV file",
                  "reading ends there, with an error that names the line"),
            Limit("CSV_COLUMNS_MAX", CSV_COLUMNS_MAX, "columns of a CSV file", _REFUSED),
            Limit("CSV_CELL_CHARS_MAX", CSV_CELL_CHARS_MAX, "characters of a cell",
                  "the row is rejected"),
            Limit("MAPPING_FILE_CHARS_MAX", MAPPING_FILE_CHARS_MAX, "characters of a mapping",
                  _REFUSED),
            Limit("MAPPING_DEPTH_MAX", MAPPING_DEPTH_MAX, "levels of values within values",
                  _REFUSED),
            Limit("MAPPING_VALUES_MAX", MAPPING_VALUES_MAX, "named values", _REFUSED),
            Limit("MAPPING_FACTS_MAX", MAPPING_FACTS_MAX, "facts of a row", _REFUSED),
            Limit("MAPPING_INPUTS_MAX", MAPPING_INPUTS_MAX, "inputs", _REFUSED),
            Limit("MAPPING_JOINS_MAX", MAPPING_JOINS_MAX, "joins of an input", _REFUSED),
            Limit("MAPPING_TEXT_CHARS_MAX", MAPPING_TEXT_CHARS_MAX, "characters that a template "
                  "is filled with", "the row is rejected"),
            Limit("POINTER_GAPS_MAX", POINTER_GAPS_MAX, "`{any}` in a pointer", _REFUSED),
            Limit("POINTER_CHARS_MAX", POINTER_CHARS_MAX, "characters of a cell that may be a "
                  "pointer", "the cell is noted as not used"),
            Limit("JOINED_ROWS_MAX", JOINED_ROWS_MAX, "rows kept to be looked up, of all joins",
                  "the replay is refused"),
            Limit("SQLITE_VALUE_BYTES_MAX", SQLITE_VALUE_BYTES_MAX, "bytes of a value or a row of "
                  "SQLite", _REFUSED),
            Limit("SQLITE_STEPS_MAX", SQLITE_STEPS_MAX, "steps of SQLite's machine for a table or "
                  "query", "reading ends there, with an error that names the row"),
        ),
    ),
    Group(
        "Networks",
        (
            Limit("NETWORK_FILE_BYTES_MAX", NETWORK_FILE_BYTES_MAX, "bytes of a file", _REFUSED),
            Limit("NETWORK_ROWS_MAX", NETWORK_ROWS_MAX, "rows of a file", _REFUSED),
            Limit("NETWORK_ROW_FIELDS_MAX", NETWORK_ROW_FIELDS_MAX, "fields of a row, or columns",
                  _REFUSED),
            Limit("NETWORK_FIELD_CHARS_MAX", NETWORK_FIELD_CHARS_MAX, "characters of a value",
                  "an error at the field"),
            Limit("NETWORK_LIST_ENTRIES_MAX", NETWORK_LIST_ENTRIES_MAX, "entries of a list in YAML",
                  "an error at the field"),
            Limit("NETWORK_DEPTH_MAX", NETWORK_DEPTH_MAX, "levels of values within values",
                  _REFUSED),
            Limit("NETWORK_PROBLEMS_MAX", NETWORK_PROBLEMS_MAX, "errors listed",
                  "the others are counted"),
            Limit("ITEM_UNITS_MAX", ITEM_UNITS_MAX, "units of an item beside its base unit",
                  "an error at the field"),
            Limit("CELL_NODES_MAX", CELL_NODES_MAX, "stock nodes of a cell", "a warning"),
        ),
    ),
    Group(
        "Policies",
        (
            Limit("POLICY_FILE_BYTES_MAX", POLICY_FILE_BYTES_MAX, "bytes of a file", _REFUSED),
            Limit("POLICY_DEPTH_MAX", POLICY_DEPTH_MAX, "levels of values within values", _REFUSED),
            Limit("POLICY_ENTRIES_MAX", POLICY_ENTRIES_MAX, "entries of a list, or fields of a "
                  "section", _REFUSED),
            Limit("QUARANTINE_HOURS_MAX", QUARANTINE_HOURS_MAX, "hours of which the share of "
                  "refused records is known", _REFUSED),
            Limit("RHYTHM_DAYS_MAX", RHYTHM_DAYS_MAX, "days with words from which a source's "
                  "rhythm is learned", "the last ones are"),
        ),
    ),
    Group(
        "Settings and webhooks",
        (
            Limit("SETTINGS_FILE_BYTES_MAX", SETTINGS_FILE_BYTES_MAX, "bytes of slipwatch.toml",
                  _REFUSED),
            Limit("SETTINGS_DEPTH_MAX", SETTINGS_DEPTH_MAX, "levels of values within values",
                  "the settings are refused"),
            Limit("SETTINGS_PROBLEMS_MAX", SETTINGS_PROBLEMS_MAX, "problems listed",
                  "the others are counted"),
            Limit("SECRET_FILE_BYTES_MAX", SECRET_FILE_BYTES_MAX, "bytes of a file that holds a "
                  "secret", _REFUSED),
            Limit("WEBHOOK_SECRET_BYTES_MAX", WEBHOOK_SECRET_BYTES_MAX, "bytes of a signing secret "
                  "(at least 24)", "the secret is refused"),
            Limit("WEBHOOKS_MAX", WEBHOOKS_MAX, "parties with a webhook", "the next is refused"),
            Limit("WEBHOOK_URL_CHARS_MAX", WEBHOOK_URL_CHARS_MAX, "characters of a party's "
                  "address", "the address is refused"),
            Limit("WEBHOOK_BOTH_HOURS_MAX", WEBHOOK_BOTH_HOURS_MAX, "hours that a replaced secret "
                  "signs too", "the secret is not replaced"),
            Limit("RETRY_AFTER_SECONDS_MAX", RETRY_AFTER_SECONDS_MAX, "seconds that a receiver may "
                  "ask to be left alone", "it is asked again after these"),
        ),
    ),
    Group(
        "The door",
        (
            Limit("DOOR_BODY_BYTES_MAX", DOOR_BODY_BYTES_MAX, "bytes of the body of a request",
                  "413; nothing of it is read"),
            Limit("DOOR_BATCH_FACTS_MAX", DOOR_BATCH_FACTS_MAX, "facts in a request",
                  "413; none is taken"),
            Limit("DOOR_REQUESTS_MAX", DOOR_REQUESTS_MAX, "requests at once", "503; try again"),
            Limit("DOOR_CONNECTIONS_MAX", DOOR_CONNECTIONS_MAX, "connections at once",
                  "the one that has waited longest for a request is closed"),
            Limit("DOOR_HEAD_SECONDS_MAX", DOOR_HEAD_SECONDS_MAX, "seconds for the head of a "
                  "request to come in", "the connection is closed"),
            Limit("DOOR_BODY_SECONDS_MAX", DOOR_BODY_SECONDS_MAX, "seconds for a body to come in",
                  "408; nothing of it is read"),
            Limit("DOOR_AHEAD_SECONDS_MAX", DOOR_AHEAD_SECONDS_MAX, "seconds that `occurred_at` "
                  "and `recorded_at` may lie ahead of the door's clock", "the fact is refused"),
            Limit("DOOR_FILE_BYTES_MAX", DOOR_FILE_BYTES_MAX, "bytes of a file put into a folder",
                  _REFUSED),
            Limit("DOOR_PROBLEMS_MAX", DOOR_PROBLEMS_MAX, "problems listed in the report on a file",
                  "the others are counted"),
            Limit("LINK_CHARS_MAX", LINK_CHARS_MAX, "characters of a link", "404"),
            Limit("FORM_BYTES_MAX", FORM_BYTES_MAX, "bytes of an answer in a form", "400"),
            Limit("LINK_HOURS_MAX", LINK_HOURS_MAX, "hours that a link is good",
                  "the link is not made"),
            Limit("TOKEN_FILE_BYTES_MAX", TOKEN_FILE_BYTES_MAX, "bytes of the file of tokens",
                  _REFUSED),
        ),
    ),
    Group(
        "Questions over HTTP",
        (
            Limit("PAGE_ENTRIES_MAX", PAGE_ENTRIES_MAX, "entries of a page", "422"),
            Limit("ASKED_ID_CHARS_MAX", ASKED_ID_CHARS_MAX, "characters of an id or number", "422"),
            Limit("CURSOR_CHARS_MAX", CURSOR_CHARS_MAX, "characters of `after`", "422"),
            Limit("FILTER_CHARS_MAX", FILTER_CHARS_MAX, "characters of `source`, `reason`, "
                  "`account` and `rule`", "422"),
            Limit("PROMISE_SOURCES_MAX", PROMISE_SOURCES_MAX, "sites that a new order may be "
                  "promised from", "the nearest are looked at; the others are counted"),
        ),
    ),
)  # fmt: skip
