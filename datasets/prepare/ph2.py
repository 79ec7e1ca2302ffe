"""PH2 (Mendonca et al. 2013): dermoscopy, about 768 x 576.

`PH2Dataset/PH2 Dataset images/IMDxxx/IMDxxx_Dermoscopic_Image/IMDxxx.bmp` and `IMDxxx_lesion/IMDxxx_lesion.bmp` (1-bit). Some
lesions fill the frame. As far as the archive says, each image shows one lesion of one patient, so the group is the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prsbench.datasets.official_writer import Item
from prsbench.datasets.prepare.archive import find_folder, paired, pictures_of, visible


def find(root: Path) -> Iterator[Item]:
    """Every case folder, complete or not."""
    expected = "PH2 Dataset images/IMDxxx/IMDxxx_Dermoscopic_Image/IMDxxx.bmp"
    folder = find_folder(root, expected, lambda f: any(f.glob("IMD*/IMD*_Dermoscopic_Image")))
    for case in (path for path in visible(folder) if path.name.startswith("IMD") and path.is_dir()):
        image, mask = (
            pictures_of(case / f"{case.name}_{kind}").get(stem, case / f"{case.name}_{kind}" / f"{stem}.bmp")
            for kind, stem in (("Dermoscopic_Image", case.name), ("lesion", f"{case.name}_lesion"))
        )
        yield paired(case.name, case.name, image, [mask])
