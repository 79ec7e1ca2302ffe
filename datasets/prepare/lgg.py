"""LGG segmentation (TCGA lower-grade glioma, Buda et al. 2019): brain MRI, 256 x 256.

`kaggle_3m/<patient>/<slice>.tif` and `<slice>_mask.tif`. The three channels are pre-contrast, FLAIR and post-contrast, not
colours; they are used unchanged. Many slices show no tumour; they are included with empty masks. The group is the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired


def find(root: Path) -> Iterator[Item]:
    """Every slice that has an image or a mask."""
    folder = find_folder(root, "kaggle_3m/<patient>/<slice>_mask.tif", lambda f: any(f.glob("*/*_mask.tif")))
    for stem_path in sorted({path.with_name(path.stem.removesuffix("_mask")) for path in folder.glob("*/*.tif")}):
        image, mask = stem_path.with_name(f"{stem_path.name}.tif"), stem_path.with_name(f"{stem_path.name}_mask.tif")
        yield paired(stem_path.name, stem_path.parent.name, image, [mask])
