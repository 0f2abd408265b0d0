"""What is wrong and who hears: rules, causes, the life of incidents, policy and notices.

`streams` and tests may import this package; it imports `topology` and `schemas`. All of it is
pure (values in, values out, time handed in) except `alerts.sinks`, its only door to the world, and
`alerts.loading`, which reads the one policy file.
"""
