"""BUS-UCLM (Vallez et al. 2025): breast ultrasound with masks in class colours, green for benign and red for malignant lesions.

`BUS-UCLM/images/<patient>_<n>.png` and `BUS-UCLM/masks/` with the same names; normal scans have black masks. The first four
letters name the patient. Layout and counts: github.com/noeliavallez/BUS-UCLM-Dataset and public code that reads the archive.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="BUS-UCLM breast ultrasound, BUS-UCLM/{images,masks}/",
    modality="breast_us",
    layouts=(Layout(r"images/<stem:[A-Z]{4}_\d+>.png", (r"masks/<stem:[A-Z]{4}_\d+>.png",), foreground=("#00ff00", "#ff0000")),),
    case="patient, the first four letters of a file name",
    cases_in=lambda _root: lambda stem: stem.partition("_")[0],
    images=683,
    cases=38,
    licence=f"CC BY 4.0 (version 1); {UNCONFIRMED} for later versions, which some call CC BY-NC 4.0",
    citation="Vallez et al.: BUS-UCLM: Breast ultrasound lesion segmentation dataset. Scientific Data 12, 2025.",
    url="https://data.mendeley.com/datasets/7fvgj4jsp7",
    defects=("Some frames hold a Doppler image or two views side by side; they are included.",),
)
