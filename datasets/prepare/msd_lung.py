"""Task06_Lung of the Medical Segmentation Decathlon (Antonelli et al. 2022): chest CT volumes with lung tumours (label 1).

Only training volumes have masks. Axial slices in the window -1000 to 400 HU, unless `--axis` and `--window` say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.datasets.prepare.source import Source

if TYPE_CHECKING:
    from prsbench.datasets.official_writer import Item


def find(root: Path, window: str | None = None, axis: str | None = None, slices: str | None = None) -> Iterator[Item]:
    """Every slice of every training volume."""
    from prsbench.datasets.pictures import Labels
    from prsbench.datasets.prepare.volumes import find as find_slices

    names = ("imagesTr", "labelsTr")
    yield from find_slices(root, window=window or "-1000 400", axis=axis, slices=slices, labels=Labels(("1",)), folders=names)


SOURCE = Source(
    title="MSD Task06 lung tumours, CT volumes as slices, Task06_Lung/imagesTr/",
    modality="lung_ct",
    target="tumour",
    find=f"{__name__}:find",
    options=("window", "axis", "slices"),
    case="volume, one of each patient",
    cases=63,
    licence="CC BY-SA 4.0",
    citation="Antonelli et al.: The Medical Segmentation Decathlon. Nature Communications 13, 2022.",
    url="http://medicaldecathlon.com",
    defects=("Most slices show no tumour: `--slices target` takes only those that do.",),
)
