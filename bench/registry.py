"""All benchmarks, in the order in which they run."""

from bench import codec, latency, local, pipeline, scaling, slipjoin
from bench.benchmark import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    codec.BENCHMARK,
    local.BENCHMARK,
    pipeline.BENCHMARK,
    latency.BENCHMARK,
    scaling.BENCHMARK,
    slipjoin.BENCHMARK,
)
