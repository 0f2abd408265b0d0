"""Every benchmark still works, in its short form; nothing is asserted of its speed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.registry import BENCHMARKS
from tests.kafka.cluster import KafkaUnavailable, require_kafka

SECONDS_MAX = 900


@pytest.mark.timeout(SECONDS_MAX)
def test_every_benchmark_measures_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        pytest.skip(f"a broker of the benchmarks' own: {unavailable}")
    names = [each.name for each in BENCHMARKS if not each.lacks()]
    code = main([*names, "--short", "--json", str(tmp_path / "short.json")])
    _, *failed = capsys.readouterr().err.split(" failed: ", 1)
    assert (code, failed) == (0, [])
    told = json.loads((tmp_path / "short.json").read_text())["benchmarks"]
    assert list(told) == names
    for name, figures in told.items():
        values = [value for figure in figures for value in figure["values"]]
        assert any(values), name
        assert min(values) >= 0 or name == "memory", "only memory can be less than without anything"
    assert ET.parse(tmp_path / "short.svg").getroot().tag.endswith("svg")
    table = (tmp_path / "short.md").read_text()
    assert all(f"**{name}**" in table for name in names)
