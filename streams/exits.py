"""What the exit code of a `slipwatch` command says; docs/cli.md lists the same codes."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """One code per kind of outcome, so that scripts and supervisors need not read text."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    CONFIGURATION = 3
    BROKER = 4
    VIEW = 5
    ENGINE = 6
    DELIVERY = 7
    STOP_TIMEOUT = 8
    FENCED = 10
    STATE = 11
    INTERNAL = 70
    INTERRUPTED = 130


EXIT_MEANINGS: tuple[tuple[Exit, str], ...] = (
    (Exit.OK, "Done; nothing to complain about."),
    (Exit.FINDINGS, "Done, and the answer is no: errors found, facts refused, nothing by that id."),
    (Exit.USAGE, "The command was not understood."),
    (Exit.CONFIGURATION, "The configuration, or a file that it names, cannot be used."),
    (Exit.BROKER, "The broker does not answer, refuses us, or lacks our topics."),
    (Exit.VIEW, "The view does not answer."),
    (Exit.ENGINE, "The engine in a worker ended by a fault that a restart may or may not cure."),
    (Exit.DELIVERY, "Delivery, or the Faust app around it, ended by a fault."),
    (Exit.STOP_TIMEOUT, "The worker did not stop in time after SIGTERM and was ended."),
    (Exit.FENCED, "Another worker runs under the same name; this one was shut out."),
    (Exit.STATE, "The state on the broker is of a later release than this one, or it was damaged."),
    (Exit.INTERNAL, "A fault of Slipwatch itself; the message says where to look."),
    (Exit.INTERRUPTED, "Interrupted from the keyboard."),
)
