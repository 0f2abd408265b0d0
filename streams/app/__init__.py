"""The worker process: a Faust app that hosts the engine and delivers notifications.

`streams.app.process` is the one place that wires. Faust itself, which is loosely typed and has
faults that are worked around, is touched only in this package; no guarantee rests on it: the
engine keeps its own offsets, and delivery its own books (`streams.delivery`).
"""
