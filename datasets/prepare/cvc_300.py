"""CVC-300, the test part of EndoScene (Vazquez et al. 2017) in PraNet's pack: 60 colonoscopy frames, all of them test images."""

from __future__ import annotations

from prsbench.datasets.prepare.source import UNCONFIRMED, Layout, Source

SOURCE = Source(
    title="CVC-300 polyps (test only), CVC-300/{images,masks}/",
    modality="polyp_endoscopy",
    layouts=(Layout("{CVC-300,CVC-T}/{images,image}/<stem>.png", ("{CVC-300,CVC-T}/{masks,mask}/<stem>.png",)),),
    case="image; the sequences' frames are not published",
    images=60,
    split="test",
    licence=UNCONFIRMED,
    citation="Vazquez et al.: A benchmark for endoluminal scene segmentation of colonoscopy images. Journal of Healthcare "
    "Engineering, 2017.",
    url="https://github.com/DengPingFan/PraNet",
    defects=("EndoScene took its 300 frames from CVC-ColonDB's sequences: do not train on CVC-ColonDB.",),
)
