"""Doors of files that people write: facts, mappings, networks, policies, settings, numbers."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from alerts.loading import network_warnings, read_policy
from alerts.policy import Policy
from schemas.facts import OrderFact, ShipmentFact, line_id, split_line_id
from schemas.json_facts import parse_lines, read_facts, to_json
from schemas.references import LineTarget, references
from schemas.validation import check as check_fact
from streams.config import ConfigurationError, load, show
from streams.replay.inputs import json_rows, mapped_rows
from streams.replay.mapping_file import MappingError, read_mapping
from streams.replay.tables import FileError
from tests.fuzz.door import ACCEPTED, Broken, Outcome, joined, parts, refused
from tests.scenario import network
from tests.unit.schemas.fact_strategies import GOOD
from topology import network as networks
from topology.load import check as check_network

EXAMPLES = Path(__file__).parents[2] / "examples"
LINE_PLACE = re.compile(r"^[A-Za-z0-9_.-]+:[0-9]+: ")
FILE_PLACE = re.compile(r"^[A-Za-z0-9_./-]+(:[0-9]+)?: ")
SETTING_PLACE = re.compile(r"^(environment|file|settings|.*slipwatch\.toml|.*: )")
FIELD_PLACE = re.compile(r"^(event_id|order_ref|line|supplier_|shipment_ref|carrier_ref|source)")


@contextmanager
def _folder(files: Mapping[str, bytes]) -> Iterator[Path]:
    """The files in a folder of their own, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        for name, body in files.items():
            if name.strip("."):
                (folder / name).write_bytes(body)
        yield folder
    finally:
        shutil.rmtree(folder)


def enter_json(data: bytes) -> Outcome:
    """`slipwatch send` and `slipwatch replay FILE.jsonl`: both must say the same."""
    facts, problems = read_facts(data, "facts.jsonl")
    for fact in facts:
        shown = _json_text(to_json(fact))
        if parse_lines(shown, "again") != ([fact], []):
            raise Broken(f"shown as {shown}, {fact!r} reads {parse_lines(shown, 'again')!r}")
    with _folder({"facts.jsonl": data}) as folder:
        rows = list(json_rows(folder / "facts.jsonl"))
    if [fact for row in rows for fact in row.facts] != facts:
        raise Broken("send and replay read different facts")
    if sum(row.is_rejected for row in rows) != len({problem.line for problem in problems}):
        raise Broken("send and replay refuse different lines")
    return refused(*map(str, problems)) if problems else ACCEPTED


def _json_text(shown: dict[str, str | int | bool]) -> str:
    return json.dumps(shown)


def enter_mapping(data: bytes) -> Outcome:
    """A mapping file."""
    try:
        read_mapping("mapping.yaml", data)
    except MappingError as error:
        return refused(*map(str, error.problems))
    return ACCEPTED


def enter_csv(data: bytes) -> Outcome:
    """Rows by a mapping, part `rows.csv`; part `mapping.yaml`, or without it one that fits."""
    named = parts(data)
    try:
        mapping = read_mapping("mapping.yaml", named.get("mapping.yaml", SMALL_MAPPING))
    except MappingError as error:
        return refused(*map(str, error.problems))
    with _folder({"rows.csv": named.get("rows.csv", named[""])}) as folder:
        try:
            rows = list(mapped_rows(mapping, [folder / "rows.csv"]))
        except FileError as error:
            return refused(*map(str, error.problems))
    for row in rows:
        if row.is_rejected == (not row.problems):
            raise Broken(f"line {row.line} has neither facts nor problems, or both: {row!r}")
        for fact in row.facts:
            if check_fact(fact) is not None:
                raise Broken(f"a row became a fact that is refused: {fact!r}")
    errors = [str(problem) for row in rows for problem in row.problems]
    return refused(*errors) if errors else ACCEPTED


def enter_sqlite(data: bytes) -> Outcome:
    """The bytes of a database, by a mapping that asks for one table of it."""
    mapping = read_mapping("mapping.yaml", STOCK_MAPPING)
    with _folder({"stock.db": data}) as folder:
        try:
            rows = list(mapped_rows(mapping, [folder / "stock.db"]))
        except FileError as error:
            return refused(*map(str, error.problems))
    if any(row.is_rejected == (not row.problems) for row in rows):
        raise Broken("a row has neither facts nor problems, or both")
    errors = [str(problem) for row in rows for problem in row.problems]
    return refused(*errors) if errors else ACCEPTED


def enter_network(data: bytes) -> Outcome:
    """A folder of network files, each a part."""
    named = parts(data)
    with _folder({name: body for name, body in named.items() if name}) as folder:
        result = check_network(folder)
        errors = [str(error).replace(str(folder), "folder") for error in result.errors]
    if result.network is None:
        return refused(*errors)
    again = networks.decode(networks.encode(result.network))
    if again.version != result.network.version:
        raise Broken("a network that was published is another one")
    return ACCEPTED


def enter_policy(data: bytes) -> Outcome:
    """A policy file."""
    result = read_policy("policy.yaml", data)
    if result.policy is None:
        return refused(*map(str, result.errors))
    if Policy.from_bytes(result.policy.to_bytes()) != result.policy:
        raise Broken("a policy that was published is another one")
    network_warnings("policy.yaml", result.policy, network())
    return ACCEPTED


def enter_config(data: bytes) -> Outcome:
    """Part `slipwatch.toml` is the file; part `environment` has lines `NAME=VALUE`, to which the
    prefix SLIPWATCH_ is put."""
    named = parts(data)
    before = dict(os.environ)
    given = dict(_variables(named.get("environment", b"")))
    with _folder({"slipwatch.toml": named.get("slipwatch.toml", named[""])}) as folder:
        try:
            os.environ.update(given)
            loaded = load(folder / "slipwatch.toml")
            shown = [str(value) for value in show(loaded)]
        except ConfigurationError as error:
            return refused(*(text.replace(str(folder), ".") for text in error.problems))
        finally:
            os.environ.clear()
            os.environ.update(before)
    for name, value in given.items():
        secret = "PASSWORD" in name.upper() or name.upper().endswith("__SECRET")
        if secret and len(value) > 12 and any(value in text for text in shown):
            raise Broken(f"{name} is shown")
    return ACCEPTED


def _variables(data: bytes) -> Iterator[tuple[str, str]]:
    for line in data.split(b"\n"):
        name, _, value = line.partition(b"=")
        text = name.decode("utf-8", "replace").strip()
        if re.fullmatch(r"[A-Za-z0-9_]{1,60}", text, re.ASCII) and b"\x00" not in value:
            yield f"SLIPWATCH_{text}", os.fsdecode(value)


def enter_references(data: bytes) -> Outcome:
    """Numbers and lines of a fact, one a line of the text: what it is about, and what it links."""
    texts = [text or None for text in data.decode("utf-8", "replace").split("\n")[:6]]
    texts += [None] * (6 - len(texts))
    order, line, supplier, supplier_line, shipment, carrier = texts
    at = 1_772_352_000_000
    placed = OrderFact(
        "e1", "erp", "changed", at, at, order_ref=order, line=line, supplier_ref=supplier,
        supplier_line=supplier_line,
    )  # fmt: skip
    told = ShipmentFact(
        "e1", "erp", "departed", at, at, order_ref=order, line=line, supplier_ref=supplier,
        supplier_line=supplier_line, shipment_ref=shipment, carrier_ref=carrier,
    )  # fmt: skip
    errors = []
    for fact in (placed, told):
        problem = check_fact(fact)
        if problem is not None:
            errors.append(problem.error)
            continue
        named = references(fact)
        if named.subject is None:
            raise Broken(f"{fact!r} is about nothing")
        if isinstance(named.subject, LineTarget):
            name = named.subject.line_id
            if order is None or line is None or split_line_id(name) != (order, line):
                raise Broken(f"{name!r} comes apart otherwise than it was joined")
            if line_id(*split_line_id(name)) != name:
                raise Broken(f"{name!r} is joined otherwise")
    return refused(*errors) if errors else ACCEPTED


SMALL_MAPPING = b"""\
mapping: small
source: erp
zone: Europe/Berlin
file: {row_id: ID}
sentinels: {dates: {n/a: the date is not known}}
tables: {modes: {Truck: road, Ship: sea}}
values:
  due_on: {date: {of: {column: {name: Due, sentinels: dates}}, formats: [D.M.YYYY, YYYY-MM-DD]}}
  ordered_at:
    moment:
      of: {column: Ordered}
      formats: ["YYYY-MM-DD hh:mm", YYYY-MM-DD]
      at: "18:00"
facts:
  - family: orders
    kind: placed
    when: {present: {value: due_on}}
    occurred_at: {value: ordered_at}
    fields:
      order_ref: {text: "ACME/{ID}"}
      line: {constant: "1"}
      item: {id: {column: Item}}
      quantity: {quantity: {column: Quantity}}
      unit: {constant: EA}
      requested_on: {value: due_on}
      value: {money: {of: {column: Value}, currency: EUR, rounding: half_even}}
  - family: shipments
    kind: departed
    occurred_at: {value: ordered_at}
    fields:
      shipment_ref: {text: "SUP/{ID}"}
      mode: {lookup: {of: {column: Mode}, table: modes, otherwise: nothing}}
      stop: {integer: {column: Stop}}
cells:
  - columns: [Freight]
    sentinels: dates
    pointer: "See {row} ({any})"
"""

SMALL_ROWS = (
    b"ID,Due,Ordered,Item,Quantity,Value,Mode,Stop,Freight\n"
    b"1,24.12.2026,2026-11-01 10:00,BOLT / 7,12.5,1234.56,Truck,1,17.5\n"
    b'2,n/a,2026-11-01,"GEAR, big",3,,Ship,,See 1 (first)\n'
    b"3,2026-12-01,2026-11-02,BOLT,1e3,0.005,Air,2,n/a\n"
)


STOCK_MAPPING = b"""\
mapping: stock
source: wms
sqlite: {row_id: id, table: counts}
facts:
  - family: inventory
    kind: counted
    occurred_at: {moment: {of: {column: at}, formats: [YYYY-MM-DD], at: "12:00"}}
    fields:
      item: {column: item}
      site: {constant: OSLO}
      quantity: {quantity: {column: pieces}}
      unit: {constant: EA}
"""


@cache
def _example_network() -> dict[str, bytes]:
    folder = EXAMPLES / "networks" / "three-tier"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def json_seeds() -> tuple[bytes, ...]:
    """Every good fact by itself and all together."""
    each = [_json_text(to_json(fact)).encode() for fact in GOOD]
    return (*each, b"\n".join(each), each[0].replace(b",", b",\n"), b"\xef\xbb\xbf" + each[1])


def mapping_seeds() -> tuple[bytes, ...]:
    """The small mapping and the example, whole and in parts."""
    whole = (EXAMPLES / "scms" / "mapping.yaml").read_bytes()
    return (SMALL_MAPPING, whole)


def sqlite_seeds() -> tuple[bytes, ...]:
    """A small database, one with rows that are refused, and what is none."""
    good = ((1, "2026-03-01", "PUMP", 2.5), (2, "2026-03-01", "BOLT", 7))
    return (_database(*good), _database(*good, (3, "", "x", b"1")), b"no database", b"")


def _database(*told: tuple[object, ...]) -> bytes:
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("PRAGMA page_size = 512")
        made.execute("CREATE TABLE counts (id INTEGER PRIMARY KEY, at TEXT, item TEXT, pieces)")
        made.executemany("INSERT INTO counts VALUES (?, ?, ?, ?)", told)
        made.commit()
        return made.serialize()


def csv_seeds() -> tuple[bytes, ...]:
    """Rows that fit the small mapping, with it and without."""
    whole = joined({"mapping.yaml": SMALL_MAPPING, "rows.csv": SMALL_ROWS})
    return (joined({"rows.csv": SMALL_ROWS}), whole, SMALL_ROWS)


def network_seeds() -> tuple[bytes, ...]:
    """The example network, a small one, and each file by itself."""
    small = {
        "parties.csv": b"id,kind\nSUP,supplier\nACME,customer\n",
        "sites.yaml": b"- {id: LYON, party: SUP, kind: plant, zone: Europe/Paris}\n"
        b"- {id: OSLO, party: ACME, kind: warehouse, zone: Europe/Oslo, receiving_opens: '8:00'}\n",
        "items.csv": b"id,base_unit,value_minor,currency\nBOLT,EA,100,EUR\n",
        "stock_nodes.csv": b"item,site,safety_stock\nBOLT,LYON,\nBOLT,OSLO,12.5\n",
        "lanes.csv": b"id,origin,destination,mode,lead_time_p50_hours,lead_time_p80_hours,"
        b"lead_time_p95_hours,items\nL,LYON,OSLO,road,10,20,30,BOLT\n",
        "calendars.yaml": b"- id: C\n  working_weekdays: [mon, tue]\n  holidays: [2026-12-25]\n",
        "accounts.yaml": b"- {id: A, sites: [OSLO], account_manager: am}\n- {id: B, parent: A}\n",
        "feeds.yaml": b"- {id: F, party: SUP, families: [orders], daily_at: '6:00', zone: UTC}\n",
        "bills_of_material.csv": b"parent,component,quantity_per\n",
    }
    singles = [joined({name: body}) for name, body in small.items()]
    return (joined(small), *singles, joined(_example_network()))


def policy_seeds() -> tuple[bytes, ...]:
    """The example policy and a small one."""
    return ((EXAMPLES / "policies" / "default.yaml").read_bytes(), SMALL_POLICY)


SMALL_POLICY = b"""\
rules:
  late_to_ship: {enabled: true, severity: major, severity_by_days: {warning: 1, critical: 5}}
overrides:
  - account: NORDICS
    until: 2027-01-01
    reason: agreed
    rules: {late_to_ship: {severity: info}}
severity_by_value:
  - {currency: EUR, value_minor: 100000, severity: critical}
recipients:
  - {id: operations, audience: operations, sinks: [log]}
  - {id: am-nordics, audience: account_manager, sinks: [log], minimum_severity: info}
materiality: {days: 2, value_percent: 10}
retention: {lateness_horizon_days: 30, tombstone_days: 90}
incidents: {resolve_hold_minutes: 5}
undeclared_feeds: {every_hours: 24, grace_hours: 2}
learned_feeds: {factor_percent: 150, at_least_hours: 2, at_most_hours: 48}
quarantine: {share_percent: 40, records: 9, hours: 6}
"""


def config_seeds() -> tuple[bytes, ...]:
    """Settings of every kind, from the file and from the environment."""
    file = (
        b'[kafka]\nbootstrap_servers = "b:9093"\nsecurity_protocol = "SASL_SSL"\n'
        b'sasl_mechanism = "SCRAM-SHA-512"\nsasl_username = "u"\nsasl_password = "hunter2hunter2"\n'
        b"[engine]\ntick_ms = 500\n[web]\nport = 0\n"
        b'[sinks.webhooks.planners]\nurl = "https://x.example/y"\nsecret = "whsec_AAAA"\n'
    )
    variables = (
        b"ENGINE__TICK_MS=250\nSINKS__WEBHOOKS__P__URL=http://p\nSINKS={}\nVIEW__PORT=1\n"
        b"KAFKA__SASL_PASSWORD=correct horse battery\nDELIVERY__BACKOFF_SECONDS_MIN=0.5\n"
    )
    both = joined({"slipwatch.toml": b"[log]\nlevel = 'debug'\n", "environment": variables})
    return (file, joined({"slipwatch.toml": file}), both)


def references_seeds() -> tuple[bytes, ...]:
    """Numbers of all kinds."""
    return (
        b"ACME/4711\n10\nSUP/SO-9\n1\nSUP/ASN-7\nDHL/1/2",
        b"ACME/4711\n10",
        b"\n\nSUP/SO-9",
        b"\n\n\n\nSUP/S",
        "Zürich/süd\nä".encode(),
    )
