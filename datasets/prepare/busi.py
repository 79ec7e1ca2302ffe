"""BUSI (Al-Dhabyani et al. 2020): breast ultrasound of many sizes.

`<name> (n)_mask.png`, and `_mask_1.png`, `_mask_2.png` for further lesions; their union is the mask. Masks are 1-bit or RGB.
Normal scans are included; their masks are empty. Counts: Al-Dhabyani et al. 2020 (437 benign, 210 malignant, 133 normal).
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="BUSI breast ultrasound, Dataset_BUSI_with_GT/",
    modality="breast_us",
    layouts=(Layout("{benign,malignant,normal}/<stem>.png", (r"{benign,malignant,normal}/<stem>_mask<further:(_\d+)?>.png",)),),
    case="image; the archive names no patients (600 women)",
    images=780,
    licence=f"free for research; {UNCONFIRMED} beyond that",
    citation="Al-Dhabyani, Gomaa, Khaled, Fahmy: Dataset of breast ultrasound images. Data in Brief 28, 2020.",
    url="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    defects=(
        "One scan is in the archive more than once, also under both classes (Pawlowska et al. 2023): equal images share a group.",
        "Patients are not named: two scans of one patient may be in two splits.",
        "Some scans show measuring crosses or text.",
    ),
)
