"""`slipwatch`: the command line.

Each module holds the commands of one group; `streams.cli.root` puts them together and turns what
went wrong into one line and an exit code (docs/cli.md). Commands ask the view for answers, the
broker for topics. What a command needs is imported when it is asked for, so that each starts fast.
"""

from __future__ import annotations

import sys

from streams.identity import foreign_packages


def main() -> None:
    """Run the command line, and exit with its code."""
    foreign = foreign_packages()
    if foreign:
        for sentence in foreign:
            sys.stderr.write(f"slipwatch: {sentence}\n")
        sys.stderr.write("slipwatch: install it in an environment of its own\n")
        sys.exit(3)
    from streams.cli.root import run

    sys.exit(run(sys.argv[1:]))
