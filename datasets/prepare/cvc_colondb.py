"""CVC-ColonDB (Bernal et al. 2012): colonoscopy frames of 15 sequences, one polyp each.

The original has 300 frames (`<n>.bmp` with masks `p<n>.bmp`); PraNet's pack, on which the published numbers are, has 380. Which
frame is of which sequence is not published, so all are test images, as is the custom. Layout of the original: its page.
"""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="CVC-ColonDB polyps (test only), CVC-ColonDB/{images,masks}/",
    modality="polyp_endoscopy",
    layouts=(
        Layout("CVC-ColonDB/{images,image}/<stem>.png", ("CVC-ColonDB/{masks,mask}/<stem>.png",)),
        Layout(r"CVC-ColonDB/<stem:\d+>.bmp", (r"CVC-ColonDB/p<stem:\d+>.bmp",)),
    ),
    case="image; the sequences' frames are not published",
    images=380,
    split="test",
    licence=f"research, with citation; {UNCONFIRMED} beyond that",
    citation="Bernal, Sanchez, Vilarino: Towards automatic polyp detection with a polyp appearance model. Pattern Recognition "
    "45(9), 2012.",
    url="http://mv.cvc.uab.es/projects/colon-qa/cvccolondb",
    defects=("Frames of one sequence are near duplicates.", "The original release has 300 of the 380 frames."),
)
