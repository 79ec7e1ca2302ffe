"""Runs prsbench without the installed command: `python run_benchmark.py` in a checkout, `python -m prsbench` anywhere."""

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> int:
    """Call the installed command line, or say how to install it."""
    # Off sys.path: other libraries would import folders `datasets` and `metrics` here, or in the working folder, as packages.
    root = Path(__file__).resolve().parent
    first = 0 if sys.flags.safe_path else 1  # the folder of this script, or with -m the working folder
    sys.path[:] = [entry for entry in sys.path[first:] if entry and Path(entry).resolve() != root]
    if find_spec("prsbench") is None:
        print("prsbench is not installed here. Run `make install`, then `make run`.", file=sys.stderr)
        return 2
    from prsbench.harness.cli.main import main as run_command

    return run_command()


if __name__ == "__main__":
    sys.exit(main())
