"""Brokers: the topics on one (made and checked, never changed), and an embedded one to try with.

The command line and the app may import it. It never writes or reads records.
"""
