"""`python -m streams.cli`: the command line for processes that start another one of ours."""

from streams.cli import main

main()
