"""How it runs: the stages, the engine, the Faust worker, connectors and the command line.

The top of the house: it may import every other package, and none imports it. The stages in
`streams.stages` are pure; everything here that touches Kafka, files, clocks or people is shell.
"""

OWNER = "slipwatch"
"""Says that this `streams` is ours and not a distribution of the same name."""
