"""`slipwatch door run` refuses at its start a mapping by which no file could be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli.root import slipwatch
from streams.exits import Exit
from tests.unit.door.test_files import MAPPING

ROOT = Path(__file__).parents[3]
SQLITE = MAPPING.replace(b"file: {row_id: id}", b"sqlite: {table: told, row_id: id}")


@pytest.mark.parametrize(
    ("mapping", "found"),
    [(None, "5 inputs"), (SQLITE, "an SQLite database")],
)
def test_a_mapping_that_reads_more_than_one_file_of_csv_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: bytes | None, found: str
) -> None:
    path = ROOT / "examples/olist/mapping.yaml"
    if mapping is not None:
        path = tmp_path / "mapping.yaml"
        path.write_bytes(mapping)
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9"),
        ("KAFKA__TIMEOUT_SECONDS", "1"),
        ("DOOR__FOLDERS__NORD__PATH", str(tmp_path)),
        ("DOOR__FOLDERS__NORD__PARTY", "NORD"),
        ("DOOR__FOLDERS__NORD__MAPPING", str(path)),
    ):
        monkeypatch.setenv(f"SLIPWATCH_{name}", value)
    ran = CliRunner().invoke(slipwatch, ["door", "run"])
    assert ran.exit_code == Exit.CONFIGURATION, ran.output
    assert f"door.folders.nord.mapping: {path}: found {found}" in ran.output
