"""The door: `python run_benchmark.py --help`. The same command is installed as `prsbench`."""

import sys
from importlib.util import find_spec
from pathlib import Path


def door() -> int:
    """Call the installed command line, or say how to install it."""
    # The root holds folders named `datasets` and `metrics`, which other libraries would take for packages of theirs.
    root = Path(__file__).resolve().parent
    sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != root]
    if find_spec("prsbench") is None:
        print("prsbench is not installed here. Run `make install`, then `make run`.", file=sys.stderr)
        return 2
    from prsbench.harness.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(door())
