"""Says how many pods a load needs and how long requests wait while their number changes; `make simulate`.

`measure` fits a service curve to the engine on this machine; the others simulate with such curves, the tables and
pictures of docs/operations.md among them. Everything but `measure` gives the same figures on every machine.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Started as a file, Python only finds the folder of that file.
sys.path[:0] = [str(PROJECT_ROOT), str(PROJECT_ROOT / "service")]

from scripts.scaling.options import parse_options  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when what was asked for was written; 2 for arguments that fit nothing."""
    options = parse_options(arguments)
    try:
        options.command(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
