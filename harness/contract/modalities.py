"""The modalities: names, nouns, official folder and class of each. A new one is one row here and one phantom module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Modality:
    """What the project knows of one modality.

    name is used in grids, records and tables; title and short are for figures and column heads. official_folder is its folder in
    the official data set, official_class its class in PRS-Med's modality head (None: it has none). image_noun and target name an
    image and what the official masks outline; phantom_target is what the phantoms' masks outline. site completes "<object> in
    <site>", the form of BiomedParse's prompts. is_lung selects the two-phrase position rule.
    """

    name: str
    title: str
    short: str
    official_folder: str
    official_class: int | None
    image_noun: str
    target: str
    phantom_target: str
    site: str
    is_lung: bool = False


# The place in this order is part of each phantom's seed: append, never insert.
ALL = (
    # name, title, short, official_folder, official_class,
    #     image_noun, target, phantom_target, site
    Modality("brain_mri", "Brain MRI", "brain", "brain_tumors_ct_scan", 0,  # MRI, in spite of the official name
             "MRI image", "tumour", "tumour", "brain MRI"),
    Modality("breast_us", "Breast US", "breast", "breast_tumors_ct_scan", 1,  # ultrasound, in spite of the official name
             "ultrasound scan", "mass", "mass", "breast ultrasound"),
    Modality("lung_ct", "Lung CT", "CT", "lung_CT", 2,
             "CT slice", "lungs", "nodule", "lung CT", is_lung=True),
    Modality("lung_xray", "Lung X-ray", "X-ray", "lung_Xray", 3,
             "chest X-ray", "lungs", "opacity", "chest X-Ray", is_lung=True),
    Modality("polyp_endoscopy", "Polyp endoscopy", "polyp", "polyp_endoscopy", 5,
             "endoscopy image", "polyp", "polyp", "colon endoscope"),
    Modality("skin_rgb", "Skin RGB", "skin", "skin_rgbimage", 4,
             "skin photograph", "skin lesion", "skin lesion", "skin dermoscope"),
)  # fmt: skip
BY_NAME = {modality.name: modality for modality in ALL}
MODALITIES = tuple(BY_NAME)
