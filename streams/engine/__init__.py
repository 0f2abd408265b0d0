"""The engine: runs the stages over a log, exactly once, and cuts the log into ticks.

Over Kafka it is a member of a group; over the log in memory, driven by hand, it is the local
engine. It decides nothing about orders or alerts, and reads no clock but the one it is handed.
"""
