"""LGG segmentation (TCGA lower-grade glioma, Buda et al. 2019): brain MRI, 256 x 256.

The three channels are pre-contrast, FLAIR and post-contrast, not colours; they are used unchanged. Many slices show no tumour;
they are included with empty masks. Counts and licence: the archive's page on Kaggle.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import Layout, Source

SOURCE = Source(
    title="LGG brain MRI, kaggle_3m/<patient>/",
    modality="brain_mri",
    layouts=(Layout("<case>/<stem>.tif", ("<case>/<stem>_mask.tif",)),),
    case="patient",
    images=3929,
    cases=110,
    licence="CC BY-NC-SA 4.0",
    citation="Buda, Saha, Mazurowski: Association of genomic subtypes of lower-grade gliomas with shape features automatically "
    "extracted by a deep learning algorithm. Computers in Biology and Medicine 109, 2019.",
    url="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
    defects=("Kaggle's zip holds the data twice (kaggle_3m and lgg-mri-segmentation/kaggle_3m): the first copy is taken.",),
)
