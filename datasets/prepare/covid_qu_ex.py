"""COVID-QU-Ex (Tahir et al. 2021): 33,920 chest X-rays with lung masks, 256 x 256, in splits of its own.

The lung masks of `Lung Segmentation Data/` are taken; without that folder, those of the smaller `Infection Segmentation Data/`.
Layout: public code that reads Kaggle's release.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

_REST = "/<split:Train|Val|Test>/<class:COVID-19|Non-COVID|Normal>"

SOURCE = Source(
    title="COVID-QU-Ex chest X-rays, Lung Segmentation Data/",
    modality="lung_xray",
    layouts=tuple(
        Layout(f"{part} Segmentation Data{_REST}/images/<stem>.png", (f"{part} Segmentation Data{_REST}/lung masks/<stem>.png",))
        for part in ("Lung", "Infection")
    ),
    case="image; the archive names no patients",
    images=33920,
    licence=UNCONFIRMED,
    citation="Tahir et al.: COVID-19 infection localization and severity grading from chest X-ray images. Computers in Biology "
    "and Medicine 139, 2021.",
    url="https://www.kaggle.com/datasets/anasmohammedtahir/covidqu",
    defects=(
        "It was collected from other public archives: the same X-ray may be in another source, or in two splits.",
        "Most lung masks were drawn by a network and checked by people.",
    ),
)
