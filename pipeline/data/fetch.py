"""`python -m pipeline.data.fetch NAME`: puts a data set into the cache, for set-up scripts.

Exit codes: 0 it is there, 1 it cannot be had, 2 wrong usage.
"""

from __future__ import annotations

import sys

from pipeline import data
from pipeline.errors import DataError


def main(arguments: list[str]) -> int:
    """Returns the exit code; says on stderr why it is not 0."""
    if len(arguments) != 1:
        print("usage: python -m pipeline.data.fetch NAME", file=sys.stderr)
        return 2
    try:
        data.load(arguments[0])
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
