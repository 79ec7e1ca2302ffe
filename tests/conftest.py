"""Keeps the repository's root off the path: its `datasets/` would be taken for Hugging Face's package."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != ROOT]
