"""Runs prsbench from a checkout: `python run_benchmark.py --help`. The installed command is `prsbench`."""

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> int:
    """Call the installed command line, or say how to install it."""
    # Off sys.path: other libraries would import the folders `datasets` and `metrics` here instead of packages of that name.
    root = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != root]
    if find_spec("prsbench") is None:
        print("prsbench is not installed here. Run `make install`, then `make run`.", file=sys.stderr)
        return 2
    from prsbench.harness import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
