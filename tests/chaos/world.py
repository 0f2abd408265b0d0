"""The topics of a storm: the simulated chain, and a policy under which most orders alarm."""

from __future__ import annotations

import datetime as dt

from alerts.loading import read_policy
from streams.publishing import Publication, split
from streams.simulator.chain import load_network
from tests.worlds import KafkaWorld

POLICY = b"""
rules:
  unconfirmed: {limit_hours: 2}
  stuck_in_transit: {limit_hours: 12, stop_limit_hours: 6}
recipients:
  - {id: operations, audience: operations, sinks: [log], minimum_severity: info}
  - {id: am-europe, audience: account_manager, sinks: [log], minimum_severity: warning}
  - {id: am-america, audience: account_manager, sinks: [log], minimum_severity: warning}
  - {id: am-asia, audience: account_manager, sinks: [log], minimum_severity: warning}
materiality: {days: 1, value_percent: 1, count_percent: 1}
"""


def storm_world(bootstrap: str, name: str, replication_factor: int = 1) -> KafkaWorld:
    """Topics of their own on that Apache Kafka, with the network and the policy published."""
    world = KafkaWorld(bootstrap, name, replication_factor)
    world.publish(load_network())
    read = read_policy("storm.yaml", POLICY)
    assert read.policy is not None, read.errors
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    for key, value in split(Publication(read.policy.version, read.policy.to_bytes(), epoch)):
        world.send_raw("policies", key, value, 0)
    world.flush()
    return world
