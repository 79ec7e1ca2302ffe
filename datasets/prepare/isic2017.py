"""ISIC 2017, lesion segmentation: dermoscopy, 2,000 training, 150 validation and 600 test images, in the challenge's own splits.

Layout: the challenge's zips (challenge.isic-archive.com/data). Superpixels and files of other tasks are not taken.
"""

from __future__ import annotations

from prsbench.datasets.prepare.isic2016 import DEFECTS
from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="ISIC 2017 dermoscopy, ISIC-2017_*_Data/",
    modality="skin_rgb",
    layouts=(
        Layout(
            r"ISIC-2017_<split:Training|Validation|Test><version:(_v2)?>_Data/<stem:ISIC_\d+>.jpg",
            (r"ISIC-2017_<split:Training|Validation|Test><release:(_v2)?>_Part1_GroundTruth/<stem:ISIC_\d+>_segmentation.png",),
        ),
    ),
    case="image; the archive names no patients",
    images=2750,
    licence=UNCONFIRMED,
    citation="Codella et al.: Skin lesion analysis toward melanoma detection: A challenge at ISBI 2017. arXiv:1710.05006.",
    url="https://challenge.isic-archive.com/data/#2017",
    defects=DEFECTS,
)
