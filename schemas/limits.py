"""Limits on what may be said, each with its unit and what happens at it."""

REFERENCE_LENGTH_MAX = 200
"""Characters of an id or reference; a longer one makes the fact a dead letter."""

REASON_LENGTH_MAX = 2_000
"""Characters of the free text of a fact; a longer one makes the fact a dead letter."""

UNIT_LENGTH_MAX = 20
"""Characters of a unit of quantity; a longer one makes the fact a dead letter."""

VALUE_MINOR_MAX = 10**15
"""Minor units of a currency in one fact; a larger value is refused. Exact as a JSON number."""

STOPS_PER_SHIPMENT_MAX = 100
"""Stops of one shipment's route; a stop number above it is refused."""

FACTS_PER_LINE_MAX = 500
"""Facts kept of one line; one more goes to the dead letters as `line_full`."""

SCHEDULES_PER_LINE_MAX = 100
"""Schedules of one confirmation; a schedule number above it is refused."""

FACTS_WAITING_PER_NUMBER_MAX = 500
"""Facts kept of one number (a shipment, an order); one more is dead-lettered as `number_full`."""

LINES_PER_NUMBER_MAX = 10_000
"""Lines that one number may stand for; one more is dead-lettered as `number_full`."""

CONSEQUENCES_LISTED = 20
"""Consequences that an alert lists in full; the others are counted."""

RECORD_BYTES_MAX = 900_000
"""Bytes of one record that the engine writes; brokers take 1,048,588 by default."""
