"""Takes the root off sys.path (its `datasets/` would shadow Hugging Face's package) and disables Hypothesis deadlines.

A test run ends with the number of skipped tests for each reason.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).parents[1]
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
sys.path.insert(0, str(ROOT / "tests" / "golden"))  # for `parity`; tests/ itself holds a `datasets/` too

os.environ.setdefault("OMP_NUM_THREADS", "1")  # last digits depend on it, and workers would wait for each other's threads
_CACHE = tempfile.TemporaryDirectory()  # tests neither read nor fill the user's cache
os.environ["XDG_CACHE_HOME"] = _CACHE.name
settings.register_profile("without a clock", deadline=None)  # a busy machine must not fail a test
settings.load_profile("without a clock")


def pytest_terminal_summary(terminalreporter):
    """Print the number of skipped tests for each reason."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(" ".join(report.longrepr[2].removeprefix("Skipped: ").split()) for report in skipped)
    if reasons:
        terminalreporter.section(f"{reasons.total()} skipped")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:5d}  {reason}")
