"""Shenzhen chest X-rays (Jaeger et al. 2014) with the lung masks that Stirenko et al. (2018) drew for 566 of the 662 images."""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="Shenzhen chest X-rays, ChinaSet_AllFiles/CXR_png/ and mask/",
    modality="lung_xray",
    layouts=(
        Layout(
            r"{CXR_png,images}/<stem:CHNCXR_\d+_\d>.png",
            (r"{mask,masks}/<stem:CHNCXR_\d+_\d>{_mask,}.png",),
            every_image_has_a_mask=False,
        ),
    ),
    case="image, one of each patient",
    images=566,
    cases=566,
    licence=f"images CC0 ({UNCONFIRMED}), masks CC BY-NC-SA 4.0 ({UNCONFIRMED})",
    citation="Jaeger, Candemir, Antani, Wang, Lu, Thoma: Two public chest X-ray datasets for computer-aided screening of "
    "pulmonary diseases. Quantitative Imaging in Medicine and Surgery 4(6), 2014. Masks: Stirenko et al.: Chest X-ray analysis "
    "of tuberculosis by deep learning with segmentation and augmentation. IEEE ELNANO, 2018.",
    url="https://lhncbc.nlm.nih.gov/LHC-publications/pubs/TuberculosisChestXrayImageDataSets.html",
    defects=("96 of the 662 images have no mask: they are left out, and listed as not taken.",),
)
