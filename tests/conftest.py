"""Keeps the root off the path (its `datasets/` would be taken for Hugging Face's package), and clocks out of tests."""

import os
import sys
import tempfile
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).parents[1]
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != ROOT]

_CACHE = tempfile.TemporaryDirectory()  # tests neither read nor fill the user's cache
os.environ["XDG_CACHE_HOME"] = _CACHE.name
settings.register_profile("without a clock", deadline=None)  # a busy machine is no fault
settings.load_profile("without a clock")
