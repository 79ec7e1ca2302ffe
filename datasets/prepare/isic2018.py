"""ISIC 2018, lesion segmentation: dermoscopy, 2,594 training, 100 validation and 1,000 test images in fixed splits.

Layout: the challenge's zips (challenge.isic-archive.com/data). Superpixels and files of other tasks are not taken.
"""

from __future__ import annotations

from prsbench.datasets.prepare.isic2016 import DEFECTS
from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="ISIC 2018 dermoscopy, ISIC2018_Task1-2_*_Input/",
    modality="skin_rgb",
    layouts=(
        Layout(
            r"ISIC2018_Task1-2_<split:Training|Validation|Test>_Input/<stem:ISIC_\d+>.jpg",
            (r"ISIC2018_Task1_<split:Training|Validation|Test>_GroundTruth/<stem:ISIC_\d+>_segmentation.png",),
        ),
    ),
    case="image; the archive names no patients",
    images=3694,
    licence=UNCONFIRMED,
    citation="Codella et al.: Skin lesion analysis toward melanoma detection 2018: A challenge hosted by ISIC. arXiv:1902.03368.",
    url="https://challenge.isic-archive.com/data/#2018",
    defects=DEFECTS,
)
