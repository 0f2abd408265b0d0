"""The view: what the topics say, kept in a small database, and answered over HTTP.

It follows the output topics, applies them tick by tick, and answers people: the CLI, other
programs, later the web pages. It may import `schemas` and nothing else of ours; only the CLI
imports it. It never writes to a topic, never judges anything itself, and can always be thrown away
and built anew from the topics.
"""

OWNER = "slipwatch"
"""Says that this `console` is ours and not a distribution of the same name."""
