"""The six stages, each a pure function of its state: intake, links, ledgers, cells, incidents,
notices.

A stage sees one key at a time with the rows that a tick brought for it, its partition's state,
the tick, the network and the policy; it writes rows for the next stage, records for readers, and
state. It knows no clock, no Kafka, no partition but by number. Only the engine imports it.
"""
