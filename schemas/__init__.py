"""What is said: units, facts, output records, the one list of topics, and the codecs.

Everyone may import this package; it imports none of ours. It never reads a clock, a file outside
`schemas/avro`, or the network: bytes in, values out.
"""

OWNER = "slipwatch"
"""Says that this `schemas` is ours and not the distribution of the same name."""
