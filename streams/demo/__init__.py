"""`slipwatch demo`: the whole product on one machine for a minute, on a chain that never was.

A broker in this process, the shipped worker and the shipped view as processes of their own, the
simulator as everybody's sources, and a screen. What it shows is read from the output topics, as
anyone may read them; the worker and the view do not know that it is a demo. Only `streams.cli`
imports this package; only `summary` in it knows what the simulator did wrong on purpose.
"""
