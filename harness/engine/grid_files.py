"""The grids that come with the package. Imports nothing, so that listing them is quick."""

from __future__ import annotations

from pathlib import Path

GRIDS = Path(__file__).parents[1] / "grids"


def packaged_grids() -> dict[str, str]:
    """Name to the first line of the comment that opens the file."""
    return {path.stem: path.read_text().partition("\n")[0].removeprefix("#").strip() for path in sorted(GRIDS.glob("*.yaml"))}
