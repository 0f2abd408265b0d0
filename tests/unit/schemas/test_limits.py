"""Every limit is on the list, and holds at it and one past it: facts, files of facts, letters.

The limits of networks, policies, mappings and settings are tried where those are tested:
`ELSEWHERE` says where, and a test looks that the name is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from schemas import limits
from schemas.codec import FactDecoder, FactEncoder, encode_fact
from schemas.facts import Family, OrderFact, PaymentFact, ShipmentFact
from schemas.json_facts import parse_lines, read_facts, to_json
from schemas.limits import LIMITS
from schemas.records import DeadLetter, decode
from schemas.references import references
from schemas.refusals import Reason, Refused
from schemas.ticks import Tick
from schemas.units import instant
from schemas.validation import check
from streams.stages.intake import Raw, take_in
from streams.stages.rows import Row, TickHeader, decode_batch, encode_batches
from streams.stages.stage import Outputs
from tests.unit.schemas.fact_strategies import AT, order, payment, shipment

ROOT = Path(__file__).parents[3]
NAMES = [limit.name for group in LIMITS for limit in group.limits]

# name: the file whose tests go to it and past it.
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        (
            "FACTS_PER_LINE_MAX", "FACT_BYTES_PER_LINE_MAX", "FACTS_PER_NUMBER_MAX",
            "FACT_BYTES_PER_NUMBER_MAX", "LINES_PER_NUMBER_MAX", "LINE_CHARS_PER_NUMBER_MAX",
            "WORTHS_PER_NUMBER_MAX",
        ),
        "tests/unit/engine/test_limits.py",
    ),
    **dict.fromkeys(
        (
            "FACTS_PER_STOCK_NODE_MAX", "FACT_BYTES_PER_STOCK_DAY_MAX", "OPEN_PER_STOCK_NODE_MAX",
            "SOURCES_PER_STOCK_NODE_MAX", "CLASHES_PER_STOCK_NODE_MAX", "LINES_HIT_MAX",
            "STOCK_BALANCES_LISTED", "STOCK_FLOWS_LISTED",
        ),
        "tests/unit/engine/test_stock_limits.py",
    ),
    **dict.fromkeys(
        ("WEBHOOKS_MAX", "WEBHOOK_BOTH_HOURS_MAX"), "tests/unit/webhooks/test_register.py"
    ),
    "WEBHOOK_URL_CHARS_MAX": "tests/unit/webhooks/test_addresses.py",
    "PRICES_PER_LIST_MAX": "tests/unit/engine/test_prices.py",
    "PROMISE_SOURCES_MAX": "tests/unit/alerts/test_promise_offer.py",
    **dict.fromkeys(
        ("PARTNER_FACTS_MAX", "PARTNER_FACT_BYTES_MAX"), "tests/unit/engine/test_ownership.py"
    ),
    **dict.fromkeys(
        ("DOOR_BODY_BYTES_MAX", "DOOR_BATCH_FACTS_MAX", "DOOR_AHEAD_SECONDS_MAX"),
        "tests/unit/door/test_statements.py",
    ),
    **dict.fromkeys(
        ("DOOR_REQUESTS_MAX", "DOOR_CONNECTIONS_MAX", "DOOR_HEAD_SECONDS_MAX"),
        "tests/integration/test_door_crowd.py",
    ),
    "DOOR_BODY_SECONDS_MAX": "tests/integration/test_door.py",
    "TOKEN_FILE_BYTES_MAX": "tests/unit/door/test_tokens.py",
    **dict.fromkeys(("LINK_CHARS_MAX", "FORM_BYTES_MAX"), "tests/unit/door/test_links.py"),
    "LINK_HOURS_MAX": "tests/unit/cli/test_door_link.py",
    "DOOR_FILE_BYTES_MAX": "tests/unit/door/test_files.py",
    "DOOR_PROBLEMS_MAX": "tests/integration/test_door_folder.py",
    "CONSEQUENCES_LISTED": "tests/property/test_alerts_incidents.py",
    **dict.fromkeys(
        (name for name in NAMES if name.startswith(("CSV_", "MAPPING_", "POINTER_"))),
        "tests/unit/replay/test_limits.py",
    ),
    **dict.fromkeys(
        (name for name in NAMES if name.startswith(("SQLITE_", "JOINED_"))),
        "tests/unit/replay/test_inputs.py",
    ),
    **dict.fromkeys(
        (name for name in NAMES if name.startswith(("NETWORK_", "CELL_", "ITEM_"))),
        "tests/unit/topology/test_limits.py",
    ),
    **dict.fromkeys(
        (name for name in NAMES if name.startswith(("POLICY_", "WEBHOOK_SECRET", "RETRY_"))),
        "tests/unit/alerts/test_limits.py",
    ),
    **dict.fromkeys(
        ("QUARANTINE_HOURS_MAX", "RHYTHM_DAYS_MAX"), "tests/unit/engine/test_sources.py"
    ),
    **dict.fromkeys(
        (name for name in NAMES if name.startswith(("SETTINGS_", "SECRET_"))),
        "tests/unit/streams_app/test_limits.py",
    ),
    **dict.fromkeys(
        ("SCHEMA_ID_MAX", "SCHEMA_CHARS_MAX", "REGISTRY_ANSWER_BYTES_MAX"),
        "tests/unit/streams_app/test_registry.py",
    ),
    **dict.fromkeys(
        ("PAGE_ENTRIES_MAX", "ASKED_ID_CHARS_MAX", "CURSOR_CHARS_MAX", "FILTER_CHARS_MAX"),
        "tests/unit/console/test_limits.py",
    ),
}  # fmt: skip


def test_every_constant_is_on_the_list_with_its_value() -> None:
    constants = {
        name: value
        for name, value in vars(limits).items()
        if name.isupper() and isinstance(value, int)
    }
    listed = {limit.name: limit.most for group in LIMITS for limit in group.limits}
    assert listed == constants
    assert len(NAMES) == len(set(NAMES))


def test_every_limit_is_tried_at_it_and_past_it() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    files = {name: (ROOT / ELSEWHERE.get(name, here)).read_text("utf-8") for name in NAMES}
    assert not [name for name, text in files.items() if name not in text]


def _reason(fact: OrderFact | ShipmentFact | PaymentFact) -> Reason | None:
    refused = check(fact)
    return None if refused is None else refused.reason


@pytest.mark.parametrize(
    ("most", "make", "reason"),
    [
        (
            limits.REFERENCE_LENGTH_MAX,
            lambda n: order("changed", item="x" * n, quantity=1, unit="EA"),
            Reason.TOO_LONG,
        ),
        (
            limits.REASON_LENGTH_MAX,
            lambda n: shipment("exception", reason="x" * n),
            Reason.TOO_LONG,
        ),
        (
            limits.UNIT_LENGTH_MAX,
            lambda n: order("changed", quantity=1, unit="x" * n),
            Reason.TOO_LONG,
        ),
        (
            limits.VALUE_MINOR_MAX,
            lambda n: order("changed", value_minor=n, currency="EUR"),
            Reason.VALUE_OUT_OF_RANGE,
        ),
        (
            limits.SCHEDULES_PER_LINE_MAX,
            lambda n: order("confirmed", promised_at=AT, confirmation="c", schedule=n),
            Reason.VALUE_OUT_OF_RANGE,
        ),
        (
            limits.STOPS_PER_SHIPMENT_MAX,
            lambda n: shipment("arrived", site="PORT", stop=n),
            Reason.VALUE_OUT_OF_RANGE,
        ),
        (
            limits.NET_DAYS_MAX,
            lambda n: payment("disputed", net_days=n),
            Reason.VALUE_OUT_OF_RANGE,
        ),
    ],
    ids=["text", "reason", "unit", "value", "schedule", "stop", "net days"],
)
def test_a_fact_passes_at_a_limit_and_is_refused_past_it(
    most: int, make: Callable[[int], OrderFact], reason: Reason
) -> None:
    assert _reason(make(most)) is None
    assert _reason(make(most + 1)) is reason


def test_a_decimal_may_have_zeros_before_it_up_to_its_limit() -> None:
    fact = order("changed", quantity=1, unit="EA")
    body = encode_fact(fact)
    short = b"\x02\x02\x01"  # a value, one byte, 1
    assert body.count(short) == 1

    def told(size: int) -> object:
        longer = b"\x02" + bytes([2 * size]) + b"\x00" * (size - 1) + b"\x01"
        return FactDecoder().decode(Family.ORDERS, [body.replace(short, longer)])[0]

    assert told(limits.DECIMAL_BYTES_MAX) == fact
    refused = told(limits.DECIMAL_BYTES_MAX + 1)
    assert not isinstance(refused, OrderFact)
    assert "quantity is a decimal of 17 bytes" in str(refused)


def test_a_fact_that_names_everything_teaches_as_many_links_as_the_list_says() -> None:
    named = replace(
        shipment("departed"), order_ref="A/1", line="1", supplier_ref="S/1", supplier_line="1",
        shipment_ref="S/2", carrier_ref="C/1",
    )  # fmt: skip
    assert check(named) is None
    assert len(references(named).links) == limits.LINKS_PER_FACT_MAX


def _shown(**more: object) -> str:
    fact = to_json(order("closed"))
    return json.dumps(fact | more)


def test_an_object_may_have_so_many_characters_and_no_more() -> None:
    room = limits.FACT_OBJECT_CHARS_MAX - len(_shown(reason=""))
    at_it, past_it = _shown(reason="x" * room), _shown(reason="x" * (room + 1))
    assert len(at_it) == limits.FACT_OBJECT_CHARS_MAX
    good = _shown()
    facts, problems = parse_lines(f"{at_it}\n{past_it}\n{good}\n", "f.jsonl")
    assert len(facts) == 1
    first, second = problems
    assert "reason has" in first.error
    assert (second.line, second.error) == (
        2,
        "is no JSON object: found an object of more than 100000 characters, the most",
    )


def test_an_object_that_never_ends_is_refused_as_too_long_and_the_next_is_read() -> None:
    endless = '{"reason": "' + "x" * (3 * limits.FACT_OBJECT_CHARS_MAX)
    facts, problems = parse_lines(f"{endless}\n{_shown()}", "f.jsonl")
    assert len(facts) == 1
    assert [problem.line for problem in problems] == [1]
    assert "more than 100000 characters" in problems[0].error


def test_an_object_may_have_so_many_fields_and_no_more() -> None:
    def told(count: int) -> str:
        text = json.dumps({f"f{number}": number for number in range(count)})
        return parse_lines(text, "f.jsonl")[1][0].error

    assert "kind is missing" in told(limits.FACT_FIELDS_MAX)
    assert "found an object of 101 fields, expected at most 100" in told(limits.FACT_FIELDS_MAX + 1)


def test_a_larger_file_of_facts_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _shown().encode()
    monkeypatch.setattr(limits, "FACT_FILE_BYTES_MAX", len(data))
    facts, problems = read_facts(data, "f.jsonl")
    assert (len(facts), problems) == (1, [])
    facts, problems = read_facts(data + b"\n", "f.jsonl")
    assert facts == []
    assert "found a file of" in str(problems[0])


def _letter(key: bytes, value: bytes) -> tuple[DeadLetter, int]:
    out = Outputs(1)
    header = TickHeader.of(Tick(n=1, at=instant(AT), cut={"orders": [1]}))
    take_in("orders", 0, [Raw(5, key, value)], header, FactDecoder(), out)
    ((_, _, _, body),) = out.records
    assert body is not None
    return decode(body, DeadLetter), len(body)


def test_a_dead_letter_holds_the_whole_record_up_to_its_limit_and_then_its_beginning() -> None:
    key = b"k" * limits.LETTER_KEY_BYTES_MAX
    at_it, _ = _letter(key, b"\xff" * limits.LETTER_VALUE_BYTES_MAX)
    assert (len(at_it.value), at_it.value_bytes) == (limits.LETTER_VALUE_BYTES_MAX, None)
    assert at_it.key_bytes == key
    past_it, size = _letter(key + b"k", b"\xff" * (limits.LETTER_VALUE_BYTES_MAX + 1))
    assert past_it.value == at_it.value
    assert past_it.value_bytes == limits.LETTER_VALUE_BYTES_MAX + 1
    assert past_it.key_bytes == key
    assert size < limits.RECORD_BYTES_MAX


def test_an_error_quotes_no_more_of_a_schema_than_its_limit() -> None:
    text = '{"type": "record", "name": "%s"}' % ("x" * 10_000)
    decoder = FactDecoder(registry={1: text})
    (refused,) = decoder.decode(Family.ORDERS, [b"\x00\x00\x00\x00\x01x"])
    told = refused.error if isinstance(refused, Refused) else str(refused)
    assert len(told) < limits.ERROR_CHARS_MAX + 200


def test_rows_that_are_too_large_for_one_record_go_in_several() -> None:
    header = TickHeader(1, AT, True, 1)
    fitting = [Row(f"k{number}", 1, b"x" * 2_000) for number in range(400)]
    assert len(list(encode_batches(1, "up", fitting, header))) == 1
    rows = [Row(f"k{number}", 1, b"x" * 8_000) for number in range(400)]
    values = list(encode_batches(1, "up", rows, header))
    assert max(map(len, values)) <= limits.RECORD_BYTES_MAX
    batches = [decode_batch(value) for value in values]
    assert [row for batch in batches for row in batch.rows] == rows
    assert [batch.header for batch in batches] == [None] * (len(values) - 1) + [header]


def test_the_largest_fact_fits_the_line_it_belongs_to() -> None:
    """So that an empty line always has room for one."""
    largest = replace(
        order("confirmed", promised_at=AT),
        **dict.fromkeys(
            ("event_id", "source", "buyer", "supplier", "item", "ship_from", "ship_to"),
            "😀" * limits.REFERENCE_LENGTH_MAX,
        ),
        reason="\U0001f600" * limits.REASON_LENGTH_MAX,
    )
    assert check(largest) is None
    assert len(FactEncoder(Family.ORDERS).encode(largest)) < limits.FACT_BYTES_PER_LINE_MAX // 10
