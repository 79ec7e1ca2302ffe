"""Montgomery County chest X-rays (Jaeger et al. 2014): 138 images with one mask file for each lung; their union is the mask."""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="Montgomery chest X-rays, MontgomerySet/CXR_png/",
    modality="lung_xray",
    layouts=(
        Layout(
            r"CXR_png/<stem:MCUCXR_\d+_\d>.png",
            (r"ManualMask/leftMask/<stem:MCUCXR_\d+_\d>.png", r"ManualMask/rightMask/<stem:MCUCXR_\d+_\d>.png"),
        ),
    ),
    case="image, one of each patient",
    images=138,
    cases=138,
    licence=UNCONFIRMED,
    citation="Jaeger, Candemir, Antani, Wang, Lu, Thoma: Two public chest X-ray datasets for computer-aided screening of "
    "pulmonary diseases. Quantitative Imaging in Medicine and Surgery 4(6), 2014.",
    url="https://lhncbc.nlm.nih.gov/LHC-publications/pubs/TuberculosisChestXrayImageDataSets.html",
    defects=("The masks leave out the part of a lung behind the heart.",),
)
