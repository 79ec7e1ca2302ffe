"""ISIC 2016, lesion segmentation: dermoscopy, 900 training and 379 test images, in the challenge's own splits.

Layout: the challenge's zips (challenge.isic-archive.com/data). Superpixels and files of other tasks are not taken.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import Layout, Source

DEFECTS = (  # of the challenges of 2016, 2017 and 2018
    "ISIC 2016, 2017, 2018 and HAM10000 share images: prepare one of them, or leave duplicates out.",
    "Patients are not named: two images of one patient may be in two splits.",
)

SOURCE = Source(
    title="ISIC 2016 dermoscopy, ISBI2016_ISIC_Part1_*_Data/",
    modality="skin_rgb",
    layouts=(
        Layout(
            r"ISBI2016_ISIC_Part1_<split:Training|Test>_Data/<stem:ISIC_\d+>.jpg",
            (r"ISBI2016_ISIC_Part1_<split:Training|Test>_GroundTruth/<stem:ISIC_\d+>_Segmentation.png",),
        ),
    ),
    case="image; the archive names no patients",
    images=1279,
    licence="CC0 (unconfirmed)",
    citation="Gutman et al.: Skin lesion analysis toward melanoma detection: A challenge at ISBI 2016. arXiv:1605.01397.",
    url="https://challenge.isic-archive.com/data/#2016",
    defects=DEFECTS,
)
