"""PH2 (Mendonca et al. 2013): dermoscopy, about 768 x 576. Some lesions fill the frame.

As far as the archive says, each image shows one lesion of one patient, so the group is the image.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import Layout, Source

SOURCE = Source(
    title="PH2 dermoscopy, PH2 Dataset images/",
    modality="skin_rgb",
    layouts=(
        Layout(
            r"<stem:IMD\d+>/<stem>_Dermoscopic_Image/<stem>.bmp",
            (r"<stem:IMD\d+>/<stem>_lesion/<stem>_lesion.bmp",),
        ),
    ),
    case="image, which shows one lesion",
    images=200,
    cases=200,
    licence="research and education",
    citation="Mendonca, Ferreira, Marques, Marcal, Rozeira: PH2: A dermoscopic image database for research and benchmarking. "
    "IEEE EMBC, 2013.",
    url="https://www.fc.up.pt/addi/ph2%20database.html",
    defects=("The archive is distributed as rar, which is not read here: unpack it.",),
)
