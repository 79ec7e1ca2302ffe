"""PH2 (Mendonca et al. 2013): dermoscopy, about 768 x 576.

`PH2Dataset/PH2 Dataset images/IMDxxx/IMDxxx_Dermoscopic_Image/IMDxxx.bmp` and `IMDxxx_lesion/IMDxxx_lesion.bmp` (1-bit). Some
lesions fill the frame. As far as the archive says, each image shows one lesion of one patient, so the group is the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired


def find(root: Path) -> Iterator[Item]:
    """Every case folder, complete or not."""
    expected = "PH2 Dataset images/IMDxxx/IMDxxx_Dermoscopic_Image/IMDxxx.bmp"
    for case in sorted(find_folder(root, expected, lambda f: any(f.glob("IMD*/IMD*_Dermoscopic_Image"))).glob("IMD*")):
        image = case / f"{case.name}_Dermoscopic_Image" / f"{case.name}.bmp"
        yield paired(case.name, case.name, image, [case / f"{case.name}_lesion" / f"{case.name}_lesion.bmp"])
