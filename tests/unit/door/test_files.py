"""Files that are put into a folder: what they say, row by row, and what is wrong with them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from schemas import limits
from schemas.facts import Fact
from streams.door.files import Wrong, read_rows, unfit
from streams.replay.mapping import Mapping
from streams.replay.mapping_file import read_mapping
from tests.unit.door.test_statements import NOW, SOURCE, TOLD

MAPPING = b"""
mapping: nord-answers
source: somebody
file: {row_id: id}
values:
  said_at: {moment: {of: {date: {of: {column: said}, formats: [YYYY-MM-DD]}}, at: "08:00"}}
facts:
  - family: orders
    kind: confirmed
    occurred_at: {value: said_at}
    fields:
      order_ref: {text: "ACME/{order}"}
      line: {column: line}
      promised_on: {date: {of: {column: date}, formats: [YYYY-MM-DD]}}
"""
CSV = "id,said,order,line,date\n1,2026-03-30,4711,10,2026-04-09\n"


def mapping() -> Mapping:
    return read_mapping("mapping.yaml", MAPPING)


def rows(
    folder: Path, name: str, content: str | bytes, by: Mapping | None = None
) -> tuple[list[Fact], list[Wrong]]:
    """The facts and what is wrong; no row is both."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    facts: list[Fact] = []
    wrongs: list[Wrong] = []
    for row in read_rows(name, partial(path.open, "rb"), SOURCE, by, NOW):
        assert len({type(each) is Wrong for each in row}) == 1
        for each in row:
            if isinstance(each, Wrong):
                wrongs.append(each)
            else:
                facts.append(each)
    return facts, wrongs


def test_lines_of_json_are_told_by_the_folders_source(tmp_path: Path) -> None:
    lines = [TOLD, TOLD | {"event_id": None}, TOLD | {"source": "partner:ACME"}, 7]
    facts, wrongs = rows(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines)) + "\n{\n")
    assert [fact.source for fact in facts] == [SOURCE, SOURCE]
    assert facts[1].event_id.startswith("sha256:")
    assert [(wrong.line, wrong.field) for wrong in wrongs] == [(3, "source"), (4, None), (5, None)]


def test_rows_of_csv_are_told_by_the_folders_source_and_keep_their_ids(tmp_path: Path) -> None:
    facts, wrongs = rows(tmp_path, "a.CSV", CSV + "2,2026-03-30,4711,20,soon\n", mapping())
    assert [(fact.source, fact.event_id) for fact in facts] == [(SOURCE, f"{SOURCE}:1:confirmed")]
    (wrong,) = wrongs
    assert (wrong.line, wrong.field) == (3, "confirmed: date")
    assert wrong.error.startswith("found 'soon', expected")


def test_a_time_that_has_not_come_is_refused_in_csv_too(tmp_path: Path) -> None:
    facts, wrongs = rows(tmp_path, "a.csv", CSV.replace("2026-03-30", "2027-01-01"), mapping())
    assert not facts
    assert {wrong.field for wrong in wrongs} == {"occurred_at", "recorded_at"}
    assert all("expected no time after now" in wrong.error for wrong in wrongs)


def test_a_file_must_be_called_as_the_mapping_says(tmp_path: Path) -> None:
    assert unfit(mapping()) is None
    named = MAPPING.replace(b"{row_id: id}", b'{row_id: id, name: "nord-*.csv"}')
    by = read_mapping("mapping.yaml", named)
    assert rows(tmp_path, "nord-1.csv", CSV, by)[0]
    facts, (wrong,) = rows(tmp_path, "other.csv", CSV, by)
    assert not facts
    assert wrong.error == (
        "found a file of no input, expected a file called 'nord-*.csv', as the mapping says"
    )


@pytest.mark.parametrize(
    ("name", "content", "has_mapping", "error"),
    [
        ("a.xlsx", "x", True, "found the ending '.xlsx', expected .csv or one of .json"),
        ("a", "x", True, "found the ending '', expected .csv"),
        ("a.csv", CSV, False, "found CSV, expected JSON: no mapping is set for this folder"),
        ("a.csv", "id,order\n", True, "expected the column"),
        ("a.csv", "", True, "expected a header"),
        ("a.json", b"\xff", True, "found the byte 0xff, expected text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    tmp_path: Path, name: str, content: str | bytes, has_mapping: bool, error: str
) -> None:
    facts, wrongs = rows(tmp_path, name, content, mapping() if has_mapping else None)
    assert not facts
    assert error in wrongs[0].error


def test_a_file_that_is_gone_is_no_fault_of_ours(tmp_path: Path) -> None:
    ((wrong,),) = read_rows("a.json", partial((tmp_path / "a.json").open, "rb"), SOURCE, None, NOW)
    assert wrong == Wrong(0, None, "it cannot be read: No such file or directory")


def test_a_file_has_so_many_bytes_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.dumps(TOLD)
    monkeypatch.setattr(limits, "DOOR_FILE_BYTES_MAX", len(whole))
    assert len(rows(tmp_path, "a.json", whole)[0]) == 1
    monkeypatch.setattr(limits, "DOOR_FILE_BYTES_MAX", len(whole) - 1)
    assert "expected at most" in rows(tmp_path, "a.json", whole)[1][0].error
