"""Publishes what the demo's worker goes by: the simulated network, and the demo's policy."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from alerts.loading import read_policy
from alerts.policy import Policy, build
from alerts.rules import RULES
from alerts.terms import RuleSettings
from schemas.units import instant
from streams.demo.options import CHAIN_BEGAN_AT
from streams.publishing import Publication
from streams.sending import Sender
from streams.settings import Settings
from topology.network import Network, encode

POLICY = files("streams.demo").joinpath("policy.yaml")
PUBLISHED_AT = instant(CHAIN_BEGAN_AT)


def publish_network(settings: Settings, network: Network) -> None:
    """Publishes the network."""
    publication = Publication(network.version, encode(network), PUBLISHED_AT)
    Sender(settings).publish("networks", publication)


def publish_policy(settings: Settings, *, is_on: bool) -> None:
    """Publishes the demo's policy, or the same with all rules switched off."""
    policy = load() if is_on else switched_off(load())
    publication = Publication(policy.version, policy.to_bytes(), PUBLISHED_AT)
    Sender(settings).publish("policies", publication)


def load() -> Policy:
    """The policy of the demo, read and checked as anybody's."""
    result = read_policy(POLICY.name, POLICY.read_bytes())
    assert result.policy is not None, result.errors
    return result.policy


def switched_off(policy: Policy) -> Policy:
    """The policy with all rules switched off."""
    off = tuple(RuleSettings(rule=rule.name, enabled=False) for rule in RULES)
    return build(msgspec.structs.replace(policy.document, rules=off))
