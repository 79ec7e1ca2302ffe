"""HAM10000 (Tschandl et al. 2018) with the lesion masks that its author added: dermoscopy, 600 x 450.

Some lesions were photographed several times; the table HAM10000_metadata says which image is of which lesion, the group.
Layout, counts and licence: dataverse.harvard.edu, doi:10.7910/DVN/DBW86T.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from prsbench.datasets.prepare.source import Layout, Source
from prsbench.harness.contract.errors import DataError


def lesions_in(root: Path) -> Callable[[str], str]:
    """The function that names the lesion an image shows."""
    table = next((path for path in sorted(root.rglob("HAM10000_metadata*")) if path.is_file()), None)
    if table is None:
        raise DataError(
            f"{root}: expected the table HAM10000_metadata, which says which images show one lesion, found none. Put it there."
        )
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "\t" if "\t" in file.readline() else ","
            file.seek(0)
            lesions = {row["image_id"]: row["lesion_id"] for row in csv.DictReader(file, delimiter=delimiter)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise DataError(f"{table}: expected a table with image_id and lesion_id, got {error!r}. Download it again.") from error

    def lesion_of(image: str) -> str:
        if not lesions.get(image):
            raise DataError(f"{table}: expected a row of image_id '{image}', found none. Download it again.")
        return lesions[image]

    return lesion_of


SOURCE = Source(
    title="HAM10000 dermoscopy with lesion masks, HAM10000_images_part_1/",
    modality="skin_rgb",
    layouts=(
        Layout(
            r"HAM10000_images<part:(_part_?[12])?>/<stem:ISIC_\d+>.jpg",
            (r"HAM10000_segmentations_lesion_tschandl/<stem:ISIC_\d+>_segmentation.png",),
        ),
    ),
    case="lesion (lesion_id of HAM10000_metadata)",
    cases_in=lesions_in,
    images=10015,
    cases=7470,
    licence="CC BY-NC 4.0",
    citation="Tschandl, Rosendahl, Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic images of "
    "common pigmented skin lesions. Scientific Data 5, 2018.",
    url="https://doi.org/10.7910/DVN/DBW86T",
    defects=("Many images are also in ISIC 2018: prepare one of them, or leave duplicates out.",),
)
