"""Benchmarks: how fast Slipwatch is, beside a bare loop and beside others, on one machine.

    python -m bench [NAME ...] [--short] [--repeat 3] [--json FILE]

Nothing imports this package but its tests. It may import the product and the tests' ways to run a
broker and a worker; it never changes how either works, asserts no speed, and ends what it starts.
What each figure means is in docs/benchmarks.md.
"""
