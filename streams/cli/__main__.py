"""`python -m streams.cli`: the command line for processes that start another one of ours."""

from streams.cli import main

if __name__ == "__main__":
    main()
