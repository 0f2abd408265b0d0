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

FACT_FILE_BYTES_MAX = 1 << 30
"""Bytes of a file of facts as JSON; a larger one is refused whole: it is held in memory."""

FACT_OBJECT_CHARS_MAX = 100_000
"""Characters of one fact as JSON; a longer object is refused, and the next one is read."""

FACT_FIELDS_MAX = 100
"""Fields of one object in a file of facts; one with more is refused."""

ERROR_CHARS_MAX = 500
"""Characters of an error that quotes what somebody else wrote; the rest is left out."""

SETTINGS_FILE_BYTES_MAX = 1_000_000
"""Bytes of the file of settings; a larger one is refused."""

SECRET_FILE_BYTES_MAX = 65_536
"""Bytes of a file that holds one secret; a larger one is refused."""

MAPPING_FILE_CHARS_MAX = 1_000_000
"""Characters of a mapping file; a larger one is refused."""

MAPPING_DEPTH_MAX = 60
"""Levels of values within values in a mapping file; one more ends the reading of it."""
