"""A chain that never was: seeded, on three continents, with faults whose truth is written apart.

`Simulation` gives the facts that its sources would send, in the order in which they send them, as
a function of the seed and simulated time alone. `truth` says what was done wrong on purpose and
scores alerts against it; of the product only the demo's summary may import that.
"""
