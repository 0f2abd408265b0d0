"""How the chain hangs together: parties, sites, lanes, bills of material, accounts, feeds.

`model` holds the things, `calendars` turns dates into moments, `graph` (the only importer of
networkx) answers what affects what, `network` is the one value that the other packages hold, and
`load` reads a folder of YAML and CSV into it.

`alerts` and `streams` may import this package; it imports only `schemas`. It never reads a clock or
Kafka, and apart from `load` (files) and `zones` (the time zone database that is installed with it)
it does no I/O. The same network gives the same answers in every process, under every hash seed.
"""

OWNER = "slipwatch"
"""Says that this `topology` is ours and not the distribution of the same name."""
