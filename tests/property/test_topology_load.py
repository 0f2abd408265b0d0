"""Whatever a folder holds, loading it ends in a network or in errors that name a place."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from topology.load import LoadResult, check
from topology.network import NetworkFormatError, decode, encode
from topology.problems import Limits
from topology.rows import TABLES

EXAMPLE = Path(__file__).parents[2] / "examples" / "networks" / "three-tier"
LIMITS = Limits(file_bytes_max=20_000, rows_max=200, problems_max=50)
FILES = tuple(f"{table.name}{ending}" for table in TABLES for ending in (".yaml", ".csv"))


@cache
def example_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(EXAMPLE.iterdir())}


def loaded(files: dict[str, bytes]) -> LoadResult:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return check(Path(folder), LIMITS)


def assert_sound(result: LoadResult) -> None:
    assert (result.network is None) == bool(result.errors)
    for problem in (*result.errors, *result.warnings):
        assert problem.file
        assert problem.line >= 0
        assert problem.found
        assert problem.expected
        assert "\n" not in str(problem)
    assert list(result.errors) == sorted(result.errors)
    if result.network is not None:
        assert decode(encode(result.network)) == result.network


@given(st.sampled_from(FILES), st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_read(name: str, data: bytes) -> None:
    assert_sound(loaded({name: data}))


lines = st.text(st.sampled_from("abid:-,|[]{}&*!#'\"\n \t0179.~<%@`>?\\é\u2028"), max_size=120).map(
    str.encode
)


@given(st.sampled_from(FILES), lines)
def test_text_that_looks_like_a_file_is_refused_or_read(name: str, data: bytes) -> None:
    assert_sound(loaded({name: data}))


@given(st.data())
def test_a_damaged_network_is_refused_or_read(data: st.DataObject) -> None:
    files = dict(example_files())
    name = data.draw(st.sampled_from(sorted(files)))
    content = files[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    files[name] = content[:start] + data.draw(st.binary(max_size=6) | lines) + content[end:]
    assert_sound(loaded(files))


@given(st.binary(max_size=200) | lines)
def test_published_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(NetworkFormatError):
        decode(data)
