"""Webhooks of partners: a party without Kafka is told its lines by POST to an address of its own.

It says what `order-status.<party>` says, signed as Standard Webhooks wants it. What is owed is the
difference between `partner-status` and what the party was told, so that only the newest record of a
line is ever sent. The worker hosts the sender and the command line registers addresses; nobody else
imports this. It decides nothing of what a party may see: `alerts.partners` did.
"""
