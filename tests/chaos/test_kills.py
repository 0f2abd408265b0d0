"""Workers killed with -9 at random and at every moment that matters: nothing is lost or repeated.

SLIPWATCH_KILLS is how many rounds are run, ten to a campaign (`make chaos`: 100), and
SLIPWATCH_KILLS_FROM the first campaign's seed. A failure names its seed: with 10 and that seed
the campaign runs again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.engine.moments import Moment
from tests.chaos.kills import (
    AT_RANDOM,
    PLACES,
    ROUND_SECONDS,
    ROUNDS,
    Campaign,
    Round,
    Storm,
    Tally,
    draw,
)
from tests.chaos.mutations import MUTATION_VARIABLE, MUTATIONS
from tests.chaos.oracle import Wrong

COUNT = int(os.environ.get("SLIPWATCH_KILLS", "10"))
FIRST = int(os.environ.get("SLIPWATCH_KILLS_FROM", "0"))
CAMPAIGNS = -(-COUNT // ROUNDS)


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.mark.timeout(ROUND_SECONDS * ROUNDS)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + CAMPAIGNS))
def test_killed_workers_lose_and_repeat_nothing(
    seed: int,
    storm_bootstrap: str,
    unique_name: str,
    tmp_path: Path,
    tally: Tally,
    record_property: Callable[[str, object], None],
) -> None:
    storm = Storm(draw(seed), storm_bootstrap, unique_name, tmp_path)
    verdict = storm.run(tally)
    record_property(f"kills, seed {seed}", f"{verdict}; {storm.took}")


def test_every_moment_had_its_victims(
    tally: Tally, record_property: Callable[[str, object], None]
) -> None:
    campaigns = tally.rounds // ROUNDS
    if campaigns == 0:
        pytest.skip("no campaign was run to its end")
    for line in tally.lines():
        record_property("kills", line)
    for place, moments in PLACES.items():
        assert tally.places[place] >= campaigns
        assert sum(tally.moments[moment] for moment in moments) >= campaigns
    assert tally.places[AT_RANDOM] >= 3 * campaigns


def test_a_seed_is_a_plan_and_all_of_it() -> None:
    assert [draw(seed) for seed in range(20)] == [draw(seed) for seed in range(20)]
    moments = {each.moment for seed in range(4) for each in draw(seed).rounds}
    assert moments == {None, *Moment}, "a moment that nobody dies at proves nothing"


@pytest.mark.skipif(COUNT < 100, reason="the proof that the oracle can fail: `make chaos`")
@pytest.mark.timeout(3 * ROUND_SECONDS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.replace(" ", "-"))
def test_the_oracle_notices_a_broken_engine(
    mutation: str, storm_bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    """One worker that dies where the mutation hurts is enough."""
    death = Round(
        place="between produce and commit", moment=Moment.BEFORE_COMMIT, passes=4,
        victims=(0,), after_s=0.2, returns_after_s=0.0, keeps_name=True,
    )  # fmt: skip
    campaign = Campaign(seed=0, group_protocol="consumer", rounds=(death,))
    settings = {MUTATION_VARIABLE: mutation}
    with pytest.raises(Wrong):
        Storm(campaign, storm_bootstrap, unique_name, tmp_path, settings).run(Tally())
