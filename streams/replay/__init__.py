"""Recorded facts, told again: CSV and SQLite by a declarative mapping, JSON, or Kafka topics.

`mapping` and its neighbours turn rows into facts and a report in which every row is accounted for;
`runner` tells facts to the local engine in the order in which they were told the first time, and
counts what the engine makes of them. Imported by the CLI and by tests. It never decides anything
about a line: what is late is read from the engine's own records.
"""
