"""The door: a process of its own by which facts come in without Kafka, over HTTP and from a folder.

It checks what it is given as `slipwatch send` does, says who tells it by the token or folder it
came by, and answers once the broker has it. It reads no topic and knows no order line, so it can
tell nobody whether one exists. Only the command line imports it, the simulator that part which
makes facts of answers, and webhooks that which makes links.
"""
