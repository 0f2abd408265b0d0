"""All benchmarks, in the order in which they run."""

from bench import (
    codec,
    latency,
    local,
    memory,
    pipeline,
    relay,
    restore,
    scaling,
    slipjoin,
    ticks,
)
from bench.benchmark import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    codec.BENCHMARK,
    local.BENCHMARK,
    pipeline.BENCHMARK,
    slipjoin.BENCHMARK,
    latency.BENCHMARK,
    scaling.BENCHMARK,
    restore.BENCHMARK,
    memory.BENCHMARK,
    ticks.BENCHMARK,
    relay.BENCHMARK,
)
