from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.engine.clock import FileClock

READ = "import sys, pathlib; from streams.engine.clock import FileClock; "
READ += "print(FileClock(pathlib.Path(sys.argv[1])).now())"


def test_a_clock_in_a_file_is_the_same_in_every_process(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    keeper, reader = FileClock.create(path, 1_000), FileClock(path)
    assert reader.now() == keeper.now() == 1_000
    keeper.set(4_102_444_800_000)
    assert reader.now() == 4_102_444_800_000
    told = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, check=True)
    assert int(told.stdout) == 4_102_444_800_000
    keeper.close()
    assert reader.now() == 4_102_444_800_000
    reader.close()


def test_it_never_goes_back(tmp_path: Path) -> None:
    clock = FileClock.create(tmp_path / "clock", 1_000)
    clock.set(1_000)
    with pytest.raises(ValueError, match="cannot go back from 1000 to 999"):
        clock.set(999)
    assert clock.now() == 1_000


@pytest.mark.parametrize("content", [b"", b"12345678", b"x" * 17])
def test_another_file_is_no_clock(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clock"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no clock"):
        FileClock(path)
