"""Metrics: one list, one page, values that Prometheus can read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from streams import metrics
from streams.metrics import DOOR_METRICS, METRICS, Kind, Metrics


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode("utf-8"))
        for sample in family.samples
    }


def test_every_metric_of_the_module_is_in_the_list_and_named_as_prometheus_asks() -> None:
    defined = {value for value in vars(metrics).values() if isinstance(value, metrics.MetricSpec)}
    listed = (*METRICS, *DOOR_METRICS)
    assert defined == set(listed)
    assert len({spec.name for spec in listed}) == len(listed)
    for spec in listed:
        assert spec.name.startswith("slipwatch_")
        assert spec.name.endswith("_total") == (spec.kind is Kind.COUNTER)
        assert bool(spec.buckets) == (spec.kind is Kind.HISTOGRAM)


def test_values_arrive_in_the_text() -> None:
    kept = Metrics(CollectorRegistry())
    kept.count(metrics.FACTS, 3)
    kept.count(metrics.FACTS)
    kept.set(metrics.TICK_NUMBER, 7)
    kept.observe(metrics.DELIVERY_SECONDS, 0.03, sink="log")
    kept.replace(metrics.INPUT_LAG, {("orders", "0"): 5.0, ("orders", "1"): 6.0})
    kept.replace(metrics.INPUT_LAG, {("orders", "1"): 2.0})

    found = samples(kept.text())

    assert found["slipwatch_facts_total", ()] == 4
    assert found["slipwatch_tick_number", ()] == 7
    assert found["slipwatch_delivery_seconds_bucket", (("le", "0.05"), ("sink", "log"))] == 1
    assert found["slipwatch_delivery_seconds_bucket", (("le", "0.02"), ("sink", "log"))] == 0
    lags = {
        labels: value for (name, labels), value in found.items() if name.endswith("_lag_records")
    }
    assert lags == {(("partition", "1"), ("topic", "orders")): 2.0}


def test_two_registries_know_nothing_of_each_other() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.set(metrics.TICK_NUMBER, 9)
    assert samples(other.text())["slipwatch_tick_number", ()] == 0
