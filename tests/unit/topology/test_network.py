"""The network as others hold it: look-ups, what is unknown, inheritance, its published form."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest

from schemas.facts import Family
from schemas.units import HOUR_MS, day, iso
from topology import network as network_module
from topology.load import load
from topology.model import Document, Feed, Lane, Mode, Quantile
from topology.network import EMPTY, Network, NetworkFormatError, build, decode, encode

EXAMPLE = Path(__file__).parents[3] / "examples" / "networks" / "three-tier"


@pytest.fixture(scope="module")
def example() -> Network:
    return load(EXAMPLE)


def on(text: str) -> int:
    return day(date.fromisoformat(text))


def test_the_empty_network_answers_for_the_unknown() -> None:
    assert EMPTY.version == build(Document()).version == "44136fa355b3"
    assert EMPTY.cell_of("i", "S") is None
    assert EMPTY.cell_of(None, None) is None
    assert iso(EMPTY.due_at("S", on("2026-03-29"))) == "2026-03-29T23:59:59.999Z"
    assert EMPTY.due_at(None, 0) == EMPTY.due_at("S", 0)
    assert EMPTY.local_day(None, 24 * HOUR_MS - 1) == 0
    assert EMPTY.add_working_time(None, 5, HOUR_MS) == 5 + HOUR_MS
    assert EMPTY.lane_between("S", "T") is None
    assert EMPTY.lane_between(None, None) is None
    assert EMPTY.feeds_for(Family.ORDERS, "P", "S") == ()
    assert EMPTY.accounts_of("P", "S") == ()
    for answer in (
        EMPTY.party("P"),
        EMPTY.site(None),
        EMPTY.item("i"),
        EMPTY.lane("L"),
        EMPTY.account("A"),
        EMPTY.account_manager("A"),
        EMPTY.feed("F"),
    ):
        assert answer is None


def test_a_lane_with_an_unknown_origin_has_no_departures() -> None:
    stray = Lane(
        id="L",
        origin="S",
        destination="T",
        mode=Mode.AIR,
        lead_time_p50_ms=1,
        lead_time_p80_ms=1,
        lead_time_p95_ms=1,
    )
    assert EMPTY.latest_departure(stray, 0) is None
    assert EMPTY.next_departure(stray, 0) is None


def test_dates_fall_due_at_the_site_s_closing_in_its_calendar(example: Network) -> None:
    midsummer = on("2026-06-19")
    assert iso(example.due_at("STOCKHOLM", midsummer)) == "2026-06-22T13:30:00Z"
    assert iso(example.due_at("DENVER", on("2026-07-03"))) == "2026-07-06T23:00:00Z"
    assert iso(example.due_at("LEIPZIG", on("2026-10-02"))) == "2026-10-02T14:00:00Z"
    assert example.due_at("DENVER", midsummer) == example.due_at("DENVER", midsummer)


def test_departures_keep_calendar_and_cut_off_of_the_lane(example: Network) -> None:
    sea = example.lanes["shenzhen-leipzig-sea"]
    due_at = example.due_at("LEIPZIG", on("2026-06-12"))
    # 912 hours (38 days) before Friday 16:00 is Tuesday 5 May; the sailing before is 30 April.
    departs_at = example.latest_departure(sea, due_at)
    assert iso(departs_at or 0) == "2026-04-30T04:00:00Z"
    assert example.next_departure(sea, departs_at or 0) == departs_at
    p50_at = example.latest_departure(sea, due_at, Quantile.P50)
    assert iso(p50_at or 0) == "2026-05-07T04:00:00Z"


@pytest.mark.parametrize(
    ("item", "carrier", "mode", "expected"),
    [
        (None, None, None, "shenzhen-leipzig-air"),
        ("CONTROLLER", "OCEAN", None, "shenzhen-leipzig-sea"),
        ("CONTROLLER", None, "sea", "shenzhen-leipzig-sea"),
        ("CONTROLLER", None, Mode.AIR, "shenzhen-leipzig-air"),
        ("HOUSING", None, None, None),
        ("CONTROLLER", "HAULAGE-EU", None, None),
    ],
)
def test_the_lane_between_two_sites_fits_all_that_is_given(
    example: Network, item: str | None, carrier: str | None, mode: str | None, expected: str | None
) -> None:
    found = example.lane_between("SHENZHEN", "LEIPZIG", item, carrier, mode)
    assert (found.id if found else None) == expected


def test_of_several_lanes_the_most_specific_is_taken() -> None:
    def lane(name: str, hours: int, carrier: str = "", items: tuple[str, ...] = ()) -> Lane:
        return Lane(
            id=name,
            origin="A",
            destination="B",
            mode=Mode.ROAD,
            carrier=carrier,
            items=items,
            lead_time_p50_ms=hours,
            lead_time_p80_ms=hours,
            lead_time_p95_ms=hours,
        )

    lanes = (lane("any", 1), lane("c", 3, "c"), lane("i", 4, "", ("i",)), lane("slow", 9))
    network = build(Document(lanes=lanes))
    chosen = [
        network.lane_between("A", "B", item, carrier)
        for item, carrier in ((None, None), ("i", None), (None, "c"), ("i", "c"), ("j", "d"))
    ]
    assert [each.id if each else None for each in chosen] == ["any", "i", "c", "c", "any"]


def test_feeds_tell_for_parties_and_sites(example: Network) -> None:
    def names(family: Family, party: str | None = None, site: str | None = None) -> list[str]:
        return [feed.id for feed in example.feeds_for(family, party, site)]

    assert names(Family.ORDERS, "CASTINGS") == ["castings-edi"]
    assert names(Family.HEARTBEATS, "CASTINGS") == []
    assert names(Family.ORDERS, "CASTINGS", "SAARBRUECKEN") == ["castings-edi"]
    assert names(Family.ORDERS, None, "SAARBRUECKEN") == ["castings-edi"]
    assert names(Family.ORDERS, None, "NOWHERE") == []
    assert names(Family.ORDERS) == []


def test_a_feed_with_sites_tells_of_these_alone() -> None:
    feed = Feed(id="f", party="P", families=(Family.SHIPMENTS,), sites=("A",), every_ms=1)
    network = build(Document(feeds=(feed,)))
    for party, site, told in (("P", "A", 1), ("P", "B", 0), (None, "A", 1), ("Q", "A", 0)):
        assert len(network.feeds_for(Family.SHIPMENTS, party, site)) == told
    assert network.feeds_for(Family.SHIPMENTS, "P") == (feed,)


def test_accounts_come_nearest_first_with_inherited_managers(example: Network) -> None:
    def found(party: str | None, site: str | None) -> list[tuple[str, str]]:
        return [(each.id, each.account_manager) for each in example.accounts_of(party, site)]

    assert found("NORDIC-RETAIL", "MALMO") == [
        ("nordic-retail-stores", "am-nordics"),
        ("nordic-retail", "am-nordics"),
        ("nordics", "am-nordics"),
        ("europe", "am-europe"),
    ]
    assert found("NORDIC-RETAIL", "STOCKHOLM")[0] == ("nordic-retail", "am-nordics")
    assert found("MAKER", None) == []
    assert example.account_manager("de-installer") == "am-europe"


def test_accounts_touched_by_what_is_downstream(example: Network) -> None:
    nodes = [("PUMP-S", "MALMO"), ("PUMP-S", "PHOENIX"), ("HOUSING", "LEIPZIG")]
    assert [each.id for each in example.accounts_touched(nodes)] == [
        "america",
        "europe",
        "nordic-retail",
        "nordic-retail-stores",
        "nordics",
        "us-utility",
    ]


def test_blindness_follows_the_feed_and_its_calendar(example: Network) -> None:
    heard_at = example.due_at(None, on("2026-05-13")) + 1 + 3 * HOUR_MS  # Thursday, Ascension
    nightly = example.blind_at(example.feeds["castings-edi"], heard_at)
    assert iso(nightly or 0) == "2026-05-15T04:00:00Z"
    hourly = example.blind_at(example.feeds["maker-erp"], heard_at)
    assert hourly == heard_at + 3 * HOUR_MS // 2


def test_the_version_names_the_content_not_the_order_it_came_in(example: Network) -> None:
    document = example.document
    reversed_lanes = msgspec.structs.replace(document, lanes=tuple(reversed(document.lanes)))
    assert build(reversed_lanes).version == example.version
    fewer = msgspec.structs.replace(document, lanes=document.lanes[1:])
    assert build(fewer).version != example.version
    assert build(fewer) != example == build(document)
    assert hash(example) == hash(build(document))


def test_what_was_published_before_reads_under_the_same_version() -> None:
    """Written by the first release; fails when a field changes its name, meaning or default."""
    recorded = (Path(__file__).parent / "network-format-1.json").read_bytes()
    network = decode(recorded)
    assert network.version == "e6b3825c4451"
    assert encode(network) == recorded


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no network"),
        (b"[]", "no network"),
        (b"\xff", "no network"),
        (b'{"lanes":[{"id":"x"}]}', "no network"),
        (b'{"format":2}', "later format than 1"),
        (b'{"moons":[]}', "does not know: upgrade it first"),
        (b'{"items":[{"id":"i","base_unit":"kg","colour":"red"}]}', "does not know"),
    ],
)
def test_bytes_that_are_no_network_of_this_release_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(NetworkFormatError, match=reason):
        decode(data)


def test_memory_is_bounded_and_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "ANSWERS_REMEMBERED_MAX", 3)
    network = build(Document())
    first = [network.due_at("S", each) for each in range(10)]
    assert len(network._due_at) <= 3
    assert [network.due_at("S", each) for each in range(10)] == first


def test_the_same_folder_gives_the_same_answers_under_any_hash_seed() -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from topology import graph; from topology.load import check\n"
        "result = check(Path(sys.argv[1])); network = result.network\n"
        "nodes = graph.nodes_at(network.graph, item='CONTROLLER')\n"
        "print(network.version, dict(network.cells), network.graph.carried)\n"
        "print(graph.downstream(network.graph, nodes), result.warnings)\n"
        "print(network.accounts_touched(graph.nodes_at(network.graph)))\n"
    )
    command = [sys.executable, "-c", script, str(EXAMPLE)]
    root = Path(__file__).parents[3]
    printed = {
        subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, cwd=root, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1
    assert b"PUMP-S" in printed.pop()
