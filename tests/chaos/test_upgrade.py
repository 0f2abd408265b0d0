"""A rolling upgrade under load to a release of later state and facts, and the way back, refused."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.addresses import fact_key
from streams.exits import Exit
from tests.chaos.crew import Crew
from tests.chaos.load import Load
from tests.chaos.next_release import becoming, encode_next
from tests.chaos.oracle import judge
from tests.chaos.storms import WAIT_SECONDS, Report
from tests.chaos.victim import RELEASE_VARIABLE
from tests.chaos.world import storm_world
from tests.scenario import Chain
from tests.worlds import KafkaWorld, until

NEXT = {RELEASE_VARIABLE: "next"}
STILL_SECONDS_MAX = 60.0
"""Ticks may stop for a hand-over, which takes a second or two on a machine that is not busy."""


def stamps(world: KafkaWorld) -> list[float]:
    """When the broker took each tick, in seconds."""
    reader = Consumer(
        {"bootstrap.servers": world.bootstrap, "group.id": "none", "enable.auto.commit": False}
    )
    where = TopicPartition(f"{world.prefix}ticks", 0, OFFSET_BEGINNING)
    reader.assign([where])
    _, end = reader.get_watermark_offsets(where, timeout=30.0)
    found: list[float] = []
    while max(0, reader.position([where])[0].offset) < end:
        batch = reader.consume(1_000, timeout=0.2)
        found.extend(message.timestamp()[1] / 1000 for message in batch)
    reader.close()
    return found


@pytest.mark.timeout(400)
def test_a_rolling_upgrade_under_load_and_no_way_back(
    storm_bootstrap: str, unique_name: str, tmp_path: Path, record_property: Report
) -> None:
    seed = random.randrange(2**16)
    world = storm_world(storm_bootstrap, unique_name)
    load = Load(world, tmp_path / "clock", seed)
    with Crew(world, tmp_path, load.clock_path) as crew:
        crew.start("one", "two")
        load.warm_up()
        load.settle(crew, f"seed {seed}: the old release", WAIT_SECONDS)
        ticks_before = len(stamps(world))
        for name in ("one", "two"):
            load.beat()
            assert crew[name].stop() == Exit.OK
            load.beat()
            crew.start(name, settings=NEXT)
            until(lambda name=name: crew[name].is_up, f"{name} is back", WAIT_SECONDS)  # type: ignore[misc]
            load.settle(crew, f"the upgrade of {name}", WAIT_SECONDS)
        chain = Chain()
        for number in range(8):
            fact = chain.placed(f"NEXT-{number}", load.at)
            world.send_raw("orders", fact_key(fact), encode_next(fact), number % 4)
        load.beat()
        load.settle(crew, "facts of the next release", WAIT_SECONDS)
        ticks = stamps(world)[ticks_before:]
        still = max(later - at for at, later in pairwise(ticks))
        record_property("upgrade", f"seed {seed}, at most {still:.1f} s between two ticks")
        assert still < STILL_SECONDS_MAX

        crew.start("three")
        until(lambda: crew["three"].exit_code is not None, "the old one refuses", WAIT_SECONDS)
        said = crew["three"].output()
        assert crew["three"].exit_code == Exit.STATE, said
        assert re.search(r"has version \d+, this release reads up to \d+", said), said
        assert "Start the newer release; this one changed nothing." in said
        crew["three"].wait()
        del crew.members["three"]
        load.beat()
        load.settle(crew, "those who stayed", WAIT_SECONDS)
        crew.stop()
    with becoming():
        verdict = judge(world)
    assert verdict.alerts >= 100, verdict
    lines = {(key or b"").decode() for _, key, _ in world.read("order-status")}
    assert {f"ACME/NEXT-{number}#10" for number in range(8)} <= lines
    assert not [value for _, _, value in world.read("dead-letters") if value and b"orders" in value]
