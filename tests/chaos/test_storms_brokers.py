"""Brokers that die and networks that fail, between the workers and what they have promised."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.conftest import SHORT_SESSIONS
from tests.chaos.proxy import Proxy, proxied
from tests.chaos.storms import IS_LONG, WAIT_SECONDS, Report, Scene, scene, troubles
from tests.kafka.cluster import KafkaCluster
from tests.worlds import until

LONG = pytest.mark.skipif(not IS_LONG, reason="the long form: SLIPWATCH_STORMS=long")
OUTAGE_SECONDS = 150.0
"""Longer than each of the client's patiences, which end in different errors."""
SWALLOW_SECONDS = (0.5, 3.0, 20.0, 70.0)


def cut(here: Scene, proxy: Proxy) -> None:
    """Connections end at moments of their own choosing, also inside transactions."""
    for _ in range(5):
        here.load.beat()
        time.sleep(here.chance.uniform(0.05, 0.6))
        proxy.cut()
    here.rest("the cut connections")


def slow(here: Scene, proxy: Proxy) -> None:
    """Every piece takes its time."""
    proxy.slow(0.05)
    here.work(2, "the slow network")
    proxy.heal()


def swallow(here: Scene, proxy: Proxy) -> None:
    """Connections stand and nothing passes: for less than a transaction may last, and for more."""
    for seconds in SWALLOW_SECONDS:
        here.load.beat()
        time.sleep(here.chance.uniform(0.0, 0.5))
        proxy.swallow()
        time.sleep(seconds)
        proxy.heal()
        here.rest("the black hole")


def refuse(here: Scene, proxy: Proxy) -> None:
    """Nobody gets through, for long."""
    here.load.beat()
    proxy.refuse()
    time.sleep(OUTAGE_SECONDS)
    proxy.heal()
    here.rest("the closed door")


@LONG
@pytest.mark.timeout(1_200)
def test_a_failing_network_and_a_broker_that_dies(
    unique_name: str, tmp_path: Path, record_property: Report
) -> None:
    with proxied(tmp_path) as (cluster, proxy):
        address = f"127.0.0.1:{proxy.port}"
        with scene(address, unique_name, tmp_path, record_property) as here:
            made = proxy.connections
            assert made > 10, "clients go past the proxy"
            for storm in (cut, slow, swallow):
                storm(here, proxy)
            here.load.beat()
            time.sleep(here.chance.uniform(0.0, 0.5))
            cluster.kill(1)
            time.sleep(OUTAGE_SECONDS)
            assert all(each.exit_code is None for each in here.crew), "a worker gave up"
            cluster.restart(1)
            here.rest("the broker's death")
            here.work(1)
            refuse(here, proxy)
            assert troubles(here), "a worker that waits says so"


@LONG
@pytest.mark.timeout(900)
def test_one_of_three_brokers_is_killed(
    unique_name: str, tmp_path: Path, record_property: Report
) -> None:
    with (
        KafkaCluster(tmp_path / "three", 3, group_times=SHORT_SESSIONS) as cluster,
        scene(
            cluster.bootstrap, unique_name, tmp_path, record_property, replication_factor=3
        ) as here,
    ):
        for number in cluster.broker_numbers:
            here.load.beat()
            time.sleep(here.chance.uniform(0.0, 0.5))
            began = time.monotonic()
            cluster.kill(number)
            until(here.load.is_settled, f"without broker {number}", WAIT_SECONDS)
            record_property("without a broker", f"at work after {time.monotonic() - began:.1f} s")
            here.work(1, "two of three brokers")
            cluster.restart(number)
            here.work(1, "three brokers again")
