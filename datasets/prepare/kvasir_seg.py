"""Kvasir-SEG (Jha et al. 2020): polyp endoscopy of many sizes, images and masks as JPEG.

Names are the release's random ones (`cju...`), by which the archive is known among others of `images/` and `masks/`.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import Layout, Source

SOURCE = Source(
    title="Kvasir-SEG polyps, Kvasir-SEG/{images,masks}/",
    modality="polyp_endoscopy",
    layouts=(Layout("{images,image}/<stem:c[jk][a-z0-9]{20,}>.jpg", ("{masks,mask}/<stem:c[jk][a-z0-9]{20,}>.jpg",)),),
    case="image; the archive names no patients",
    images=1000,
    licence="research and education",
    citation="Jha et al.: Kvasir-SEG: A segmented polyp dataset. MultiMedia Modeling, 2020.",
    url="https://datasets.simula.no/kvasir-seg/",
    defects=(
        "Masks are JPEG files with grey noise: levels above 127 are foreground.",
        "Images show black borders, and some a green picture of the endoscope's position.",
        "Patients are not named: two frames of one polyp may be in two splits.",
    ),
)
