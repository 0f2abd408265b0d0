"""Every error that a folder of network files can hold, word for word, and every warning."""

from __future__ import annotations

from pathlib import Path

import pytest

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
ID = "an id: at most 200 printable characters without @ # / |"
SITE_FIELDS = (
    "one of id, party, name, kind, zone, calendar, receiving_opens, receiving_closes, country, "
    "region, latitude, longitude, cell_boundary"
)


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


SITES = WHOLE["sites.csv"]
CASES: list[tuple[str, str | bytes, list[str]]] = [
    # Values
    (
        "sites.csv",
        SITES.replace("PLANT,ACME,plant,Europe/Berlin", "PLANT,ACME,plant,Europe/Berln"),
        [
            (
                "sites.csv:2: zone: found 'Europe/Berln', expected a time zone of the IANA database, "
                "such as Europe/Berlin (did you mean 'Europe/Berlin'?)"
            )
        ],
    ),
    (
        "sites.csv",
        SITES.replace("DC,ACME,warehouse", "DC,ACME,wharehouse"),
        [
            (
                "sites.csv:3: kind: found 'wharehouse', expected one of plant, warehouse, port, hub, "
                "store, office (did you mean 'warehouse'?)"
            )
        ],
    ),
    (
        "sites.csv",
        (
            "id,party,kind,zone\nPLANT,ACME,plant,\nDC,ACME,plant,UTC\nWORKS,SUP,plant,UTC\n"
            "WORKS2,SUP2,plant,UTC\nA/B,ACME,plant,UTC\n"
        ),
        [
            (
                "sites.csv:2: zone: found nothing, expected a time zone of the IANA database, "
                "such as Europe/Berlin"
            ),
            f"sites.csv:6: id: found 'A/B', expected {ID}",
        ],
    ),
    (
        "sites.csv",
        SITES.replace("calendar\n", "receiving_closes\n").replace(",de\n", ",25:00\n"),
        [
            (
                "sites.csv:2: receiving_closes: found '25:00', "
                "expected a local time from 00:00 to 24:00, such as 17:30"
            )
        ],
    ),
    (
        "sites.csv",
        SITES.replace("calendar\n", "latitude\n").replace(",de\n", ",91\n"),
        ["sites.csv:2: latitude: found '91', expected degrees from -90 to 90"],
    ),
    (
        "sites.csv",
        SITES.replace("calendar\n", "latitude\n").replace(",de\n", ",45.5\n"),
        ["sites.csv:2: longitude: found nothing, expected both coordinates or none"],
    ),
    (
        "sites.csv",
        SITES.replace("calendar\n", "cell_boundary\n").replace(",de\n", ",yes\n"),
        ["sites.csv:2: cell_boundary: found 'yes', expected true or false"],
    ),
    (
        "sites.csv",
        SITES.replace("calendar\n", "country\n").replace(",de\n", ",Germany\n"),
        [
            (
                "sites.csv:2: country: found 'Germany', "
                "expected a country code of two capital letters, such as DE"
            )
        ],
    ),
    (
        "stock_nodes.csv",
        "item,site,safety_stock\nPUMP,PLANT,-5\nSEAL,PLANT,0.0000001\nPUMP,DC,NaN\n",
        [
            f"stock_nodes.csv:{line}: safety_stock: found {found}, "
            "expected an amount of 0 or more with at most 6 decimals"
            for line, found in ((2, "'-5'"), (3, "'0.0000001'"), (4, "'NaN'"))
        ],
    ),
    (
        "items.csv",
        "id,base_unit,value_minor,currency\nPUMP,pcs,12.50,EUR\nSEAL,pcs,3,Eur\n",
        [
            (
                "items.csv:2: value_minor: found '12.50', "
                "expected a whole number of 0 or more, in the smallest unit of the currency"
            ),
            (
                "items.csv:3: currency: found 'Eur', "
                "expected a currency code of three capital letters, such as EUR"
            ),
        ],
    ),
    (
        "items.csv",
        "id,base_unit,value_minor,currency\nPUMP,pcs,12,\nSEAL,pcs,,EUR\n",
        [
            "items.csv:2: currency: found nothing, expected the currency of value_minor",
            (
                "items.csv:3: value_minor: found nothing, "
                "expected the value that the currency belongs to"
            ),
        ],
    ),
    (
        "calendars.yaml",
        (
            "- id: de\n  working_weekdays: [mon, Tuesday]\n"
            "  holidays:\n  - 2026-05-01\n  - 2026-02-30\n"
        ),
        [
            (
                "calendars.yaml:2: working_weekdays: found 'Tuesday', expected a list out of "
                "mon, tue, wed, thu, fri, sat, sun (in CSV separated by |)"
            ),
            (
                "calendars.yaml:3: holidays: found '2026-02-30', "
                "expected a list of dates such as 2026-12-25 (in CSV separated by |)"
            ),
        ],
    ),
    (
        "lanes.csv",
        LANE_HEADER + "in,WORKS,PLANT,sea,SEAL,-1,1e3,87601\n",
        [
            f"lanes.csv:2: lead_time_{quantile}_hours: found {found}, "
            "expected hours from 0 to 87600, such as 36 or 2.5"
            for quantile, found in (("p50", "'-1'"), ("p80", "'1e3'"), ("p95", "'87601'"))
        ],
    ),
    # Rows that contradict themselves
    (
        "lanes.csv",
        LANE_HEADER + "in,WORKS,PLANT,sea,SEAL,900,800,700.5\nloop,DC,DC,road,PUMP,1,1,1\n",
        [
            (
                "lanes.csv:2: lead_time_p80_hours: found 800 hours, "
                "expected at least lead_time_p50_hours"
            ),
            (
                "lanes.csv:2: lead_time_p95_hours: found 700.5 hours, "
                "expected at least lead_time_p80_hours"
            ),
            "lanes.csv:3: destination: found 'DC', expected another site than the origin",
        ],
    ),
    (
        "sites.csv",
        (
            "id,party,kind,zone,receiving_opens,receiving_closes\nPLANT,ACME,plant,UTC,17:00,06:00\n"
            "DC,ACME,plant,UTC,,\nWORKS,SUP,plant,UTC,,\nWORKS2,SUP2,plant,UTC,,\n"
        ),
        [
            (
                "sites.csv:2: receiving_closes: found 06:00, "
                "expected a time after receiving_opens (17:00)"
            )
        ],
    ),
    (
        "bills_of_material.yaml",
        "- parent: PUMP\n  component: SEAL\n  quantity_per: 0\n",
        ["bills_of_material.yaml:3: quantity_per: found 0, expected more than 0"],
    ),
    (
        "feeds.yaml",
        (
            "- {id: a, party: ACME, families: [], every_hours: 0}\n"
            "- {id: b, party: ACME, families: [orders], every_hours: 1, daily_at: 02:00, zone: UTC}\n"
            "- {id: c, party: ACME, families: [orders], daily_at: 02:00}\n"
            "- {id: d, party: ACME, families: [orders], every_hours: 1, zone: UTC, calendar: de}\n"
            "- {id: e, party: ACME, families: [order], every_hours: 1}\n"
        ),
        [
            "feeds.yaml:1: every_hours: found 0, expected more than 0",
            "feeds.yaml:1: families: found an empty list, expected at least one family of facts",
            "feeds.yaml:2: daily_at: found 02:00, expected nothing beside every_hours",
            "feeds.yaml:3: zone: found nothing, expected the time zone of daily_at",
            "feeds.yaml:4: calendar: found 'de', expected nothing without daily_at",
            "feeds.yaml:4: zone: found 'UTC', expected nothing without daily_at",
            (
                "feeds.yaml:5: families: found 'order', expected a list out of orders, shipments, "
                "heartbeats (in CSV separated by |) (did you mean 'orders'?)"
            ),
        ],
    ),
    # Rows that contradict each other
    (
        "lanes.csv",
        LANE_HEADER + "in,WORKS,PLANT,sea,SEAL,1,2,3\nout,PLANT,DC-9,road,,1,2,3\n",
        ["lanes.csv:3: destination: found 'DC-9', expected an id in sites.csv"],
    ),
    (
        "lanes.csv",
        LANE_HEADER + "in,WROKS,PLANT,sea,SEAL|SAEL,1,2,3\n",
        [
            "lanes.csv:2: items: found 'SAEL', expected an id in items.csv (did you mean 'SEAL'?)",
            (
                "lanes.csv:2: origin: found 'WROKS', "
                "expected an id in sites.csv (did you mean 'WORKS'?)"
            ),
        ],
    ),
    (
        "parties.csv",
        "id,kind\nACME,manufacturer\nSUP,supplier\nSUP2,supplier\nACME,customer\n",
        ["parties.csv:5: id: found 'ACME', expected each id once: line 2 has it too"],
    ),
    (
        "stock_nodes.csv",
        "item,site\nPUMP,PLANT\nPUMP,PLANT\n",
        [
            (
                "stock_nodes.csv:3: item: found 'PUMP' 'PLANT', "
                "expected each item and site once: line 2 has it too"
            )
        ],
    ),
    (
        "bills_of_material.yaml",
        (
            "- {parent: PUMP, component: SEAL, quantity_per: 1}\n"
            "- {parent: SEAL, component: PUMP, quantity_per: 1}\n"
        ),
        [
            (
                "bills_of_material.yaml:1: component: found the loop PUMP > SEAL > PUMP, "
                "expected no item that is part of itself"
            )
        ],
    ),
    (
        "accounts.yaml",
        "- {id: a, parent: b}\n- {id: b, parent: c}\n- {id: c, parent: a}\n- {id: d, parent: d}\n",
        [
            (
                "accounts.yaml:1: parent: found the loop a > b > c > a, "
                "expected no account that is above itself"
            ),
            (
                "accounts.yaml:4: parent: found the loop d > d, "
                "expected no account that is above itself"
            ),
        ],
    ),
    # Forms
    (
        "sites.csv",
        SITES.replace("zone", "tmiezone"),
        [
            f"sites.csv:1: tmiezone: found an unknown field, expected {SITE_FIELDS}",
            (
                "sites.csv:1: zone: found no such column, expected a time zone of the IANA database, "
                "such as Europe/Berlin"
            ),
        ],
    ),
    (
        "accounts.yaml",
        "- id: a\n  account_manger: am\n",
        [
            (
                "accounts.yaml:2: account_manger: found an unknown field, expected one of id, name, "
                "parent, account_manager, sites, parties (did you mean 'account_manager'?)"
            )
        ],
    ),
    (
        "parties.csv",
        "id,kind\nACME,manufacturer\nSUP,supplier\nSUP2,supplier\nX,customer,more\n\nY\n",
        [
            "parties.csv:5: found 3 cells, expected 2, as the header has",
            "parties.csv:7: found 1 cells, expected 2, as the header has",
        ],
    ),
    (
        "parties.csv",
        'id,kind\nACME,"manu\nfacturer"\nSUP,supplier\nSUP2,supplier\nX,nobody\n',
        [
            (
                "parties.csv:2: kind: found 'manu\\nfacturer', expected one of supplier, "
                "manufacturer, distributor, carrier, customer (did you mean 'manufacturer'?)"
            ),
            (
                "parties.csv:6: kind: found 'nobody', expected one of supplier, "
                "manufacturer, distributor, carrier, customer"
            ),
        ],
    ),
    (
        "parties.csv",
        "id;kind\nACME;manufacturer\n",
        [
            "parties.csv:1: found a header with semicolons, expected commas between the columns",
        ],
    ),
    (
        "parties.csv",
        "id,kind,id\n",
        ["parties.csv:1: found the column 'id' twice, expected each column once"],
    ),
    (
        "parties.csv",
        "id,,kind\n",
        ["parties.csv:1: found a column without a name, expected a name for each column"],
    ),
    (
        "parties.csv",
        b"id,kind\nACME,manufacturer\nSUP,\xff\n",
        ["parties.csv:3: found the byte 0xff, expected text in UTF-8"],
    ),
    (
        "parties.csv",
        'id,kind\nACME,"manu\n',
        ["parties.csv:2: found unexpected end of data, expected comma-separated values"],
    ),
    (
        "accounts.yaml",
        "- id: a\n  name: &n x\n- id: b\n  name: *n\n",
        ["accounts.yaml:4: found the alias *n, expected values written out"],
    ),
    (
        "accounts.yaml",
        "- id: !!python/object:os.system a\n",
        [
            (
                "accounts.yaml:1: found the tag 'tag:yaml.org,2002:python/object:os.system', "
                "expected values without tags"
            )
        ],
    ),
    (
        "accounts.yaml",
        "- id: a\n  id: b\n- [x]\n- id: c\n  name: {x: 1}\n- plain\n- ? [k]\n  : v\n",
        [
            "accounts.yaml:2: id: found the field twice, expected each field once in a row",
            "accounts.yaml:3: found a list, expected a row of 'field: value' lines",
            "accounts.yaml:5: name: found something nested, expected text or a list of texts",
            "accounts.yaml:6: found 'plain', expected a row of 'field: value' lines",
            "accounts.yaml:7: found a list as a field, expected the name of a field",
        ],
    ),
    (
        "accounts.yaml",
        "id: a\n",
        ["accounts.yaml:1: found fields, expected a list of rows, each starting with '- '"],
    ),
    (
        "accounts.yaml",
        "- id: a\n---\n- id: b\n",
        ["accounts.yaml:2: found a second document, expected one document in a file"],
    ),
    (
        "accounts.yaml",
        "- id: a\n  name: [x\n- id: b\n",
        ["accounts.yaml:3: found did not find expected ',' or ']', expected YAML"],
    ),
    (
        "accounts.yaml",
        "- id: a\n  name: x\x07\n",
        ["accounts.yaml:2: found a character that YAML does not allow, expected YAML"],
    ),
    # Files
    (
        "accounts.csv",
        "id\na\n",
        [
            (
                "accounts.yaml: found a second file, "
                "expected one file for accounts: accounts.csv is there too"
            )
        ],
    ),
    (
        "lane.csv",
        "id\n",
        [
            (
                "lane.csv: found a file of that name, expected one of calendars, parties, sites, "
                "items, stock_nodes, lanes, bills_of_material, accounts, feeds (did you mean 'lanes'?)"
            )
        ],
    ),
]


@pytest.mark.parametrize(("name", "content", "expected"), CASES)
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
    assert len(found) == 1


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
            "expected every_hours or daily_at: now it is never blind"
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
