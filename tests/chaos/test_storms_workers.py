"""Workers that freeze, come and go, while topics and groups change under them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.storms import IS_LONG, STORMS_OF_WORKERS, Report, Storm, scene

ROUNDS = 3


@pytest.mark.skipif(IS_LONG, reason="each storm is run by itself")
@pytest.mark.timeout(400)
def test_one_storm_after_another(
    storm_bootstrap: str, unique_name: str, tmp_path: Path, record_property: Report
) -> None:
    with scene(storm_bootstrap, unique_name, tmp_path, record_property) as here:
        for storm in STORMS_OF_WORKERS:
            storm(here)


@pytest.mark.skipif(not IS_LONG, reason="the long form: SLIPWATCH_STORMS=long")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("storm", STORMS_OF_WORKERS, ids=lambda storm: storm.__name__)
def test_rounds_of_one_storm(
    storm: Storm,
    storm_bootstrap: str,
    unique_name: str,
    tmp_path: Path,
    record_property: Report,
) -> None:
    workers = ("one", "two", "three")
    with scene(storm_bootstrap, unique_name, tmp_path, record_property, workers) as here:
        for _ in range(ROUNDS):
            storm(here)
