"""Every error that a folder of network files can hold, word for word, and every warning."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from topology.load import LIMITS, NetworkRefused, check, load, summary
from topology.problems import Limits

WHOLE = {
    "calendars.yaml": "- id: de\n  working_weekdays: [mon, tue]\n  holidays: [2026-05-01]\n",
    "parties.csv": "id,kind\nACME,manufacturer\nSUP,supplier\nSUP2,supplier\n",
    "sites.csv": (
        "id,party,kind,zone,calendar\n"
        "PLANT,ACME,plant,Europe/Berlin,de\n"
        "DC,ACME,warehouse,Europe/Berlin,\n"
        "WORKS,SUP,plant,Asia/Shanghai,\n"
        "WORKS2,SUP2,plant,Asia/Shanghai,\n"
    ),
    "items.csv": "id,base_unit\nPUMP,pcs\nSEAL,pcs\n",
    "stock_nodes.csv": "item,site,safety_stock\nPUMP,PLANT,5\nSEAL,PLANT,2.5\nPUMP,DC,\n",
    "lanes.csv": (
        "id,origin,destination,mode,items,"
        "lead_time_p50_hours,lead_time_p80_hours,lead_time_p95_hours\n"
        "in,WORKS,PLANT,sea,SEAL,800,900,1000\n"
        "in2,WORKS2,PLANT,sea,SEAL,800,900,1000\n"
        "out,PLANT,DC,road,,8,12,24\n"
    ),
    "bills_of_material.yaml": "- parent: PUMP\n  component: SEAL\n  quantity_per: 2\n",
    "accounts.yaml": "- id: top\n  account_manager: am\n"
    "- id: below\n  parent: top\n  sites: [DC]\n",
    "feeds.yaml": "- id: erp\n  party: ACME\n  families: [orders]\n  every_hours: 1\n",
}
LANE_HEADER = WHOLE["lanes.csv"].splitlines()[0] + "\n"


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    return folder


def errors(folder: Path, files: dict[str, str | bytes], limits: Limits = LIMITS) -> list[str]:
    """What is wrong with the whole network when these files take the place of its own."""
    result = check(write(folder, {**WHOLE, **files}), limits)
    assert (result.network is None) == bool(result.errors)
    return [str(error) for error in result.errors]


def warned(folder: Path, files: dict[str, str | bytes], limits: Limits = LIMITS) -> list[str]:
    result = check(write(folder, {**WHOLE, **files}), limits)
    assert result.network is not None, result.errors
    return [str(warning) for warning in result.warnings]


def test_a_whole_network_has_nothing_wrong(tmp_path: Path) -> None:
    result = check(write(tmp_path, dict(WHOLE)))
    assert result.errors == result.warnings == ()
    assert result.network is not None
    found = summary(result.network)
    assert (found.parties, found.sites, found.lanes, found.cells) == (3, 4, 3, 1)
    assert (found.largest_cell, found.largest_cell_nodes) == ("PUMP@DC", 5)
    assert found.version == load(tmp_path).version


REFUSED = yaml.safe_load((Path(__file__).parent / "refused.yaml").read_text("utf-8"))
UNREADABLE: list[tuple[str, bytes, list[str]]] = [
    (
        "parties.csv",
        b"id,kind\nACME,manufacturer\nSUP,\xff\n",
        ["parties.csv:3: found the byte 0xff, expected text in UTF-8"],
    ),
    (
        "accounts.yaml",
        b"- id: a\n  name: x\x07\n",
        ["accounts.yaml:2: found a character that YAML does not allow, expected YAML"],
    ),
]
CASES = [(case["file"], case["holds"], case["errors"]) for case in REFUSED]


@pytest.mark.parametrize(("name", "content", "expected"), [*CASES, *UNREADABLE])
def test_an_error_names_place_found_and_expected(
    tmp_path: Path, name: str, content: str | bytes, expected: list[str]
) -> None:
    assert errors(tmp_path, {name: content}) == expected


def test_all_errors_of_all_files_come_at_once(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        {
            "items.csv": "id,base_unit\nPUMP,\nSEAL,pcs\n",
            "lanes.csv": LANE_HEADER + "in,NOWHERE,PLANT,ship,SEAL,1,2,3\nout,X,DC,road,,1,2,3\n",
        },
    )
    assert [each.split(": found")[0] for each in found] == [
        "items.csv:2: base_unit",
        "lanes.csv:2: mode",
        "lanes.csv:3: origin",
    ]


def test_a_row_with_an_error_still_counts_for_those_that_refer_to_it(tmp_path: Path) -> None:
    assert len(errors(tmp_path, {"parties.csv": "id,kind\nACME,x\nSUP,x\nSUP2,x\n"})) == 3


def test_a_file_that_cannot_be_read_makes_no_reference_to_it_wrong(tmp_path: Path) -> None:
    assert len(errors(tmp_path, {"sites.csv": b"\xff"})) == 1


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "feeds.csv").mkdir()
    (problem,) = check(tmp_path).errors
    assert str(problem) == "feeds.csv: found Is a directory, expected a file to read"


def test_no_folder_and_an_empty_one_are_errors(tmp_path: Path) -> None:
    (missing,) = check(tmp_path / "none").errors
    assert str(missing).endswith(
        ": found No such file or directory, expected a folder of network files"
    )
    (empty,) = check(tmp_path).errors
    assert ": found no network files, expected at least one of calendars, " in str(empty)


def test_load_raises_with_all_errors(tmp_path: Path) -> None:
    write(tmp_path, {"parties.csv": "id,kind\nA,x\nB,y\n"})
    with pytest.raises(NetworkRefused, match=r"(?s)parties.csv:2.*\nparties.csv:3"):
        load(tmp_path)


def test_yaml_takes_values_as_they_are_written(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "parties.yaml": "- {id: 0815, kind: customer, name: on}\n- {id: 1e3, kind: carrier}\n",
            "sites.yaml": (
                "- id: 12:30\n  party: 0815\n  kind: store\n  zone: Europe/Oslo\n  country: NO\n"
                "  receiving_closes: 17:30\n  name: ~\n  region: ''\n"
            ),
        },
    )
    network = load(tmp_path)
    assert sorted(network.parties) == ["0815", "1e3"]
    assert network.parties["0815"].name == "on"
    place = network.sites["12:30"]
    assert (place.country, place.name, place.region) == ("NO", "", "")
    assert place.receiving_closes_minutes == 17 * 60 + 30


def test_yaml_and_csv_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "yml").mkdir()
    write(
        tmp_path / "csv",
        {"calendars.csv": "id,working_weekdays,holidays\nx,mon | FRI,2026-01-01|2025-01-01\n"},
    )
    write(
        tmp_path / "yml",
        {
            "calendars.yml": "\ufeff- id: x\n  working_weekdays: [fri, mon, mon]\n"
            "  holidays:\n    - 2025-01-01\n    - 2026-01-01\n"
        },
    )
    assert load(tmp_path / "csv").version == load(tmp_path / "yml").version


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(file_bytes_max=30), "parties.csv: found a larger file, expected at most 30 bytes"),
        (Limits(rows_max=2), "parties.csv:4: found one row more, expected at most 2 rows"),
        (
            Limits(field_chars_max=11),
            "parties.csv:2: kind: found 12 characters, expected at most 11 characters",
        ),
        (Limits(row_fields_max=1), "parties.csv:1: found 2 columns, expected at most 1"),
    ],
)
def test_limits_refuse_what_is_larger(tmp_path: Path, limits: Limits, expected: str) -> None:
    write(tmp_path, {"parties.csv": WHOLE["parties.csv"]})
    assert [str(error) for error in check(tmp_path, limits).errors] == [expected]


def test_limits_hold_for_yaml_too(tmp_path: Path) -> None:
    write(tmp_path, {"accounts.yaml": "- {id: a, sites: [x, y, z]}\n"})
    (problem,) = check(tmp_path, Limits(list_entries_max=2)).errors
    assert str(problem) == "accounts.yaml:1: sites: found 3 entries, expected at most 2 entries"
    (problem,) = check(tmp_path, Limits(row_fields_max=1)).errors
    assert str(problem) == "accounts.yaml:1: found one field more, expected at most 1 in a row"


def test_errors_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    write(tmp_path, {"parties.csv": "id,kind\n" + "".join(f"P{n},x\n" for n in range(7))})
    result = check(tmp_path, Limits(problems_max=5))
    assert (len(result.errors), result.omitted_count) == (5, 2)
    with pytest.raises(NetworkRefused, match="and 2 more"):
        load(tmp_path, Limits(problems_max=5))


def test_a_deeply_nested_file_is_refused_quickly(tmp_path: Path) -> None:
    found = errors(tmp_path, {"accounts.yaml": "- id: " + "[" * 100_000})
    assert found == ["accounts.yaml:1: found values nested too deep, expected rows of plain values"]


def test_warnings(tmp_path: Path) -> None:
    assert warned(
        tmp_path,
        {
            "lanes.csv": LANE_HEADER
            + "in,WORKS,PLANT,sea,SEAL,0,900,1000\nout,PLANT,DC,road,,8,12,24\n"
            + "idle,WORKS,WORKS2,road,,1,1,1\n",
            "bills_of_material.yaml": WHOLE["bills_of_material.yaml"]
            + "- {parent: SEAL, component: GLUE, quantity_per: 1}\n",
            "items.csv": WHOLE["items.csv"] + "GLUE,kg\n",
            "accounts.yaml": "- id: a\n",
            "feeds.yaml": "- {id: erp, party: ACME, families: [orders]}\n",
        },
        Limits(cell_nodes_max=3),
    ) == [
        "accounts.yaml:1: account_manager: found nothing, here or above, expected someone to tell",
        (
            "bills_of_material.yaml:4: component: found 'GLUE', "
            "expected a site that has both items: the bill applies nowhere"
        ),
        (
            "feeds.yaml:1: every_hours: found no rhythm, "
            "expected every_hours or daily_at: else it is blind only by learned_feeds of the policy"
        ),
        (
            "lanes.csv: cell_boundary: found 4 stock nodes in the cell 'PUMP@DC', "
            "expected at most 3: cut it with cell_boundary"
        ),
        "lanes.csv:2: lead_time_p50_hours: found 0, expected more than 0: goods take time",
        (
            "lanes.csv:2: origin: found 'SUP' as sole source of 'SEAL', "
            "expected a second source for 'PLANT'"
        ),
        (
            "lanes.csv:4: items: found nothing, "
            "expected items, or stock nodes at either end: the lane carries nothing known"
        ),
    ]


def test_the_example_is_a_network_with_known_sole_sources_only() -> None:
    folder = Path(__file__).parents[3] / "examples" / "networks" / "three-tier"
    result = check(folder)
    assert result.errors == ()
    assert {warning.field for warning in result.warnings} == {"origin"}
    assert result.network is not None
    assert sorted(result.network.cells) == ["CONTROLLER@LEIPZIG", "SEAL-KIT@DC-HAMBURG"]
    assert {each.country for each in result.network.sites.values()} == {"CN", "DE", "SE", "US"}
