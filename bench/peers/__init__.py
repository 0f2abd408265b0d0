"""The slip join on other engines: each a program of its own that the benchmark starts.

The Python ones run in an environment of their own (requirements.lock), and import of this
repository nothing but `bench.peers`. Each reads the same two topics, writes the status of a line
whenever it changes, prints one line of JSON about how long it took, and ends.
"""
