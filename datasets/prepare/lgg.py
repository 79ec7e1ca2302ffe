"""LGG segmentation (TCGA lower-grade glioma, Buda et al. 2019): brain MRI, 256 x 256.

`kaggle_3m/<patient>/<slice>.tif` and `<slice>_mask.tif`. The three channels are pre-contrast, FLAIR and post-contrast, not
colours; they are used unchanged. Many slices show no tumour; they are included with empty masks. The group is the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired, pictures_of, visible


def find(root: Path) -> Iterator[Item]:
    """Every slice that has an image or a mask."""
    folder = find_folder(root, "kaggle_3m/<patient>/<slice>_mask.tif", lambda f: any(map(_has_masks, visible(f))))
    for patient in visible(folder):
        files = pictures_of(patient)
        for stem in sorted({stem.removesuffix("_mask") for stem in files}):
            image, mask = (files.get(name, patient / f"{name}.tif") for name in (stem, f"{stem}_mask"))
            yield paired(stem, patient.name, image, [mask])


def _has_masks(folder: Path) -> bool:
    return any(path.stem.endswith("_mask") and path.suffix.lower() in (".tif", ".tiff") for path in visible(folder))
