"""The packaged grids and ablations. Imports nothing heavy, so that listing them is quick."""

from __future__ import annotations

from pathlib import Path

GRIDS = Path(__file__).parents[2] / "grids"
ABLATIONS = GRIDS / "ablations"


def packaged_grids() -> dict[str, str]:
    """Title of each packaged grid, by name: the first line of the comment that opens the file."""
    return _titles(GRIDS)


def packaged_ablations() -> dict[str, str]:
    """The same for ablations, which change values of one method one at a time."""
    return _titles(ABLATIONS)


def packaged_settings(ablation: str) -> dict[str, str]:
    """The same for the settings of an ablation; an ablation may have none."""
    return _titles(ABLATIONS / ablation)


def _titles(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text().partition("\n")[0].removeprefix("#").strip() for path in sorted(folder.glob("*.yaml"))}
