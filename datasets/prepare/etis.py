"""ETIS-LaribPolypDB (Silva et al. 2014): 196 colonoscopy frames, all of them test images, as is the custom."""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="ETIS-LaribPolypDB polyps (test only), ETIS-LaribPolypDB/{images,masks}/",
    modality="polyp_endoscopy",
    layouts=(
        Layout("ETIS-LaribPolypDB/{images,image}/<stem>.png", ("ETIS-LaribPolypDB/{masks,mask}/<stem>.png",)),
        Layout(r"ETIS-LaribPolypDB/<stem:\d+>.tif", (r"Ground Truth/p<stem:\d+>.tif",)),
    ),
    case="image; which frames show one polyp is not published",
    images=196,
    split="test",
    licence=UNCONFIRMED,
    citation="Silva, Histace, Romain, Dray, Granado: Toward embedded detection of polyps in WCE images for early diagnosis of "
    "colorectal cancer. International Journal of Computer Assisted Radiology and Surgery 9, 2014.",
    url="https://polyp.grand-challenge.org/ETISLarib/",
    defects=("Several frames show one polyp.",),
)
