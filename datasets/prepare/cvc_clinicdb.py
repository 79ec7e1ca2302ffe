"""CVC-ClinicDB (Bernal et al. 2015): 612 colonoscopy frames, 384 x 288, from 29 video sequences.

Neighbouring frames show the same polyp a moment later, so the group is the sequence; the archive comes with a list of the
sequences' frames, repeated here. (At the 16 boundaries whose two frames could be compared, the scene changes: median correlation
0.54, against 0.85 within sequences.)
"""

from __future__ import annotations

from bisect import bisect_right

from prsbench.datasets.prepare.source import Layout, Source
from prsbench.harness.contract.errors import DataError

FIRST_FRAMES = (
    1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298,
    318, 343, 364, 384, 409, 429, 448, 467, 479, 504, 529, 547, 572, 592,
)  # fmt: skip
LAST_FRAME = 612


def sequence_of(frame: str) -> str:
    """The sequence of a frame number, as "sequence-01" to "sequence-29"."""
    if not frame.isdecimal() or not 1 <= int(frame) <= LAST_FRAME:
        raise DataError(f"CVC-ClinicDB frame '{frame}': expected a number from 1 to {LAST_FRAME}. Remove foreign files.")
    return f"sequence-{bisect_right(FIRST_FRAMES, int(frame)):02d}"


SOURCE = Source(
    title="CVC-ClinicDB polyps, PNG/Original/",
    modality="polyp_endoscopy",
    layouts=(
        Layout("Original/<stem>.png", ("Ground Truth/<stem>.png",)),
        Layout("CVC-ClinicDB/{images,image}/<stem>.png", ("CVC-ClinicDB/{masks,mask}/<stem>.png",)),  # as PraNet packs it
    ),
    case="video sequence",
    cases_in=lambda _root: sequence_of,
    images=612,
    cases=29,
    licence="research, with citation",
    citation="Bernal et al.: WM-DOVA maps for accurate polyp highlighting in colonoscopy: Validation vs. saliency maps from "
    "physicians. Computerized Medical Imaging and Graphics 43, 2015.",
    url="https://polyp.grand-challenge.org/CVCClinicDB/",
    defects=("Some masks have grey edges: levels above 127 are foreground.", "Neighbouring frames are near duplicates."),
)
