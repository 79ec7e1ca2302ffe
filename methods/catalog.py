"""Every method by name, without importing any of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prsbench.harness.contract.catalog import Catalog, Entry, PackagedFile
from prsbench.harness.contract.types import PromptSource
from prsbench.methods.parts.weights.packaged import EFFICIENTNET_LITE0, JUDGE, LITE_MEDSAM, MINILM, SMALL_LLAMA, TRAINING_HEAD
from prsbench.methods.plugins import PluginCatalog

_REFERENCE = "prsbench.methods.reference"


def _reference(module: str, name: str, summary: str, row: str, config: str, trains: bool = False) -> Entry:
    return Entry(name, summary, f"{_REFERENCE}.{module}:{row}", f"{_REFERENCE}.config:{config}", trains=trains, gpu_gib=0.0)


_ceiling = partial(_reference, "ceilings", config="CeilingConfig")
_floor = partial(_reference, "floors", config="FloorConfig")
SAM_PROMPTS = {  # prompt sources of the SAM rows, in the order of the rows
    PromptSource.ORACLE_BOX: "the true mask's tight box",
    PromptSource.JITTERED_BOX: "the true box with its edges moved at random",
    PromptSource.ORACLE_POINT: "the true mask's innermost point",
    PromptSource.AUTOMATIC: "a box that the row proposes without the truth",
}
_BOXES = tuple(source for source in SAM_PROMPTS if source != PromptSource.ORACLE_POINT)  # for networks trained with boxes alone


def _sam(name: str, title: str, variant: str, sources: Iterable[PromptSource] = tuple(SAM_PROMPTS)) -> list[Entry]:
    """One row per prompt source, and one whose box lies where CG-Reasoner's answer says."""
    config = "LiteMedSAMConfig" if variant == "lite_medsam" else "SamCheckpointConfig"
    packaged = (LITE_MEDSAM,) if variant == "lite_medsam" else ()
    rows = [
        Entry(
            name=f"{name}_{source.name.lower()}",
            summary=f"{title}, frozen; prompt: {SAM_PROMPTS[source]}",
            factory="prsbench.methods.sam.method:SamMethod",
            config=f"prsbench.methods.sam.config:{config}",
            defaults={"prompt_source": source, "variant": variant},
            trains=False,
            packaged=packaged,
            shares=variant,
            gpu_gib=8.0,  # ViT-H at 1024 px
        )
        for source in sources
    ]
    text_box = Entry(
        name=f"{name}_text_box",
        summary=f"{title}, frozen; prompt: a box around the position that CG-Reasoner's answer names",
        factory="prsbench.methods.text_box.method:TextBoxMethod",
        config="prsbench.methods.text_box.config:TextBoxConfig",
        defaults={"variant": variant},
        packaged=(*packaged, *_CG_REASONER.packaged),
        shares=variant,
    )
    return [*rows, text_box]


def _cg_reasoner(name: str, summary: str, **defaults: str) -> Entry:
    return Entry(
        name=name,
        summary=summary,
        factory="prsbench.methods.cg_reasoner.method:CGReasonerMethod",
        config="prsbench.methods.cg_reasoner.config:CGReasonerConfig",
        defaults=defaults,
        packaged=(EFFICIENTNET_LITE0, MINILM, SMALL_LLAMA),
    )


_FEATURES = "lite_medsam_features"


def _supervised(name: str, summary: str, packaged: tuple[PackagedFile, ...] = (), **defaults: int | float) -> Entry:
    return Entry(
        name=name,
        summary=f"{summary}, trained here on all data sets together; no text",
        factory="prsbench.methods.supervised.method:SupervisedMethod",
        config="prsbench.methods.supervised.config:SupervisedConfig",
        defaults={"network": name, **defaults},
        packaged=packaged,
    )


def _official(family: str, size: str, title: str, factory: str, config: str) -> Entry:
    return Entry(
        name=f"{family}_{size}",
        summary=f"{title}, official weights, frozen; an empty mask if its answer has no segmentation token",
        factory=f"prsbench.methods.{family}.method:{factory}",
        config=f"prsbench.methods.{family}.config:{config}",
        defaults={"size": size},
        trains=False,
        gpu_gib={"7b": 24.0, "13b": 40.0}[size],
        memory_gib={"7b": 20.0, "13b": 32.0}[size],
    )


_lisa = partial(_official, "lisa", factory="LISAMethod", config="LISAConfig")
_pixellm = partial(_official, "pixellm", factory="PixelLMMethod", config="PixelLMConfig")


def _tiny(family: str, title: str, factory: str, config: str) -> Entry:
    return Entry(
        name=f"{family}_tiny",
        summary=f"{title}, embedded size, trained here on all data sets together",
        factory=f"prsbench.methods.{family}.tiny:{factory}",
        config=f"prsbench.methods.{family}.config:{config}",
        packaged=(LITE_MEDSAM, SMALL_LLAMA),
        shares=_FEATURES,
    )


_CG_REASONER = _cg_reasoner("cg_reasoner", "CG-Reasoner, embedded size, trained here on all data sets together")
_PRS_MED = Entry(
    name="prs_med",
    summary="PRS-Med, embedded size, trained here on all data sets together",
    factory="prsbench.methods.prs_med.method:PRSMedMethod",
    config="prsbench.methods.prs_med.config:PRSMedConfig",
    packaged=(LITE_MEDSAM, SMALL_LLAMA),
    shares=_FEATURES,
)
_LISA_TINY = _tiny("lisa", "LISA", "LISATinyMethod", "LISATinyConfig")
_PIXELLM_TINY = _tiny("pixellm", "PixelLM", "PixelLMTinyMethod", "PixelLMTinyConfig")


def _own_mask_text(row: Entry) -> Entry:
    return Entry(
        name=f"{row.name}_own_mask_text",
        summary=f"The mask of {row.name}, same training, described by the template sentence",
        factory="prsbench.methods.own_mask_text.method:OwnMaskTextMethod",
        config="prsbench.methods.own_mask_text.config:OwnMaskTextConfig",
        defaults={"of": row.name},
        packaged=row.packaged,
        shares=row.shares,
    )


PARTS = Catalog(
    "part",
    [
        _CG_REASONER,  # for the text box rows, which read its answers, and its own-mask-text row
        _PRS_MED,  # this and the next two for their own-mask-text rows
        _LISA_TINY,
        _PIXELLM_TINY,
        Entry(
            name="small_llama",
            summary="Small Llama trained anew on the train split's texts and mask layouts; embedded stand-in for an LLM",
            factory="prsbench.methods.parts.language.small_llama:SmallLlama",
            config="prsbench.methods.parts.language.config:SmallLlamaConfig",
        ),
        Entry(
            name="text2centroid",
            summary="Text2Centroid: sentence to point, frozen Sentence-BERT and an MLP",
            factory="prsbench.methods.text2centroid.model:Text2Centroid",
            config="prsbench.methods.text2centroid.config:Text2CentroidConfig",
            packaged=(MINILM, TRAINING_HEAD),
        ),
        Entry(
            name="lite_medsam_features",
            summary="LiteMedSAM's frozen features of the training images, for the methods trained on them",
            factory="prsbench.methods.parts.frozen_features.lite_medsam:LiteMedSAMFeatures",
            config="prsbench.methods.parts.frozen_features.config:LiteMedSAMFeaturesConfig",
            packaged=(LITE_MEDSAM,),
        ),
    ],
)

PACKAGED_JUDGE = Entry(
    name="packaged_judge",
    summary="Text2Centroid trained on grammar sentences and random masks; the same in every run",
    factory="prsbench.methods.text2centroid.judge:load_packaged",
    config="prsbench.harness.contract.config:PartConfig",
    trains=False,
    packaged=(MINILM, JUDGE),
)

METHODS = PluginCatalog(
    "method",
    [
        _CG_REASONER,
        _cg_reasoner("cg_reasoner_without_t2c", "CG-Reasoner without Text2Centroid and its spatial loss", bridge="none"),
        _cg_reasoner("cg_reasoner_small", "CG-Reasoner on SmolLM2-135M-Instruct, trained here", size="small"),
        Entry(
            name="cg_reasoner_checkpoint",
            summary="CG-Reasoner from a checkpoint folder in the public layout (`prsbench export` writes one), frozen",
            factory="prsbench.methods.cg_reasoner.method:CGReasonerCheckpoint",
            config="prsbench.methods.cg_reasoner.config:CGReasonerCheckpointConfig",
            trains=False,
            gpu_gib=24.0,  # the folder may hold the paper's size
            memory_gib=20.0,
            packaged=(MINILM,),
        ),
        _PRS_MED,
        Entry(
            name="prs_med_official",
            summary="PRS-Med, official weights on LLaVA-Med v1.5, frozen",
            factory="prsbench.methods.prs_med.official:PRSMedOfficialMethod",
            config="prsbench.methods.prs_med.config:PRSMedOfficialConfig",
            trains=False,
            gpu_gib=24.0,
            memory_gib=20.0,
        ),
        Entry(
            name="medseg_r",
            summary="MedSeg-R-style, embedded size, trained here on all data sets; the report is the question and its first mask",
            factory="prsbench.methods.medseg_r.method:MedSegRMethod",
            config="prsbench.methods.medseg_r.config:MedSegRConfig",
            packaged=(LITE_MEDSAM, MINILM),
            shares=_FEATURES,
        ),
        _lisa("7b", "LISA-7B (Vicuna, CLIP, SAM ViT-H)"),
        _lisa("13b", "LISA-13B (Llama 2, CLIP, SAM ViT-H)"),
        _LISA_TINY,
        _pixellm("7b", "PixelLM-7B (LLaVA, CLIP at 448 px, a light decoder)"),
        _pixellm("13b", "PixelLM-13B (LLaVA, CLIP at 448 px, a light decoder)"),
        _PIXELLM_TINY,
        *map(_own_mask_text, (_CG_REASONER, _PRS_MED, _LISA_TINY, _PIXELLM_TINY)),
        Entry(
            name="grounding_dino_sam_med2d",
            summary="Grounding-DINO detects the question's target, SAM-Med2D segments it; both frozen",
            factory="prsbench.methods.grounding_dino.method:GroundedSamMethod",
            config="prsbench.methods.grounding_dino.config:GroundingDinoConfig",
            trains=False,
        ),
        Entry(
            name="biomedparse",
            summary="BiomedParse, frozen, from the user's own export; prompted with the question's target",
            factory="prsbench.methods.biomedparse.method:BiomedParseMethod",
            config="prsbench.methods.biomedparse.config:BiomedParseConfig",
            trains=False,
        ),
        _supervised("unet", "U-Net (MONAI)", base_features=32, learning_rate=1.1e-2),
        _supervised(
            "unet_imagenet",
            "U-Net on CG-Reasoner's ImageNet backbone (timm, MONAI)",
            (EFFICIENTNET_LITE0,),
            learning_rate=6e-4,
            encoder_learning_rate=9e-5,
        ),
        _supervised("nnunet", "U-Net with nnU-Net's planning rules and deep supervision (MONAI's DynUNet)"),
        _supervised("swin_unet", "Swin-UNETR (MONAI)", base_features=12, learning_rate=1.7e-3),
        *_sam("lite_medsam", "LiteMedSAM", "lite_medsam", _BOXES),
        *_sam("sam", "SAM (ViT-B unless `variant` says otherwise)", "sam_vit_b"),
        *_sam("medsam", "MedSAM", "medsam", _BOXES),
        *_sam("sam_med2d", "SAM-Med2D", "sam_med2d"),
        *_sam("mobile_sam", "MobileSAM", "mobile_sam"),
        *_sam("tiny_sam", "TinySAM", "tiny_sam"),
        _ceiling("oracle", "Ceiling: true mask, reference answer", "OracleRow"),
        _ceiling(
            "oracle_shuffled_answer",
            "True mask, reference answer of another sample",
            "ShuffledAnswerRow",
            config="ShuffledAnswerConfig",
        ),
        _ceiling("oracle_opposite_answer", "True mask, opposite position in a fixed sentence", "OppositeAnswerRow"),
        _floor(
            "mean_mask_frequent_answer",
            "Floor: mean training mask and most frequent training position of the modality",
            "MeanMaskRow",
            config="MeanMaskConfig",
            trains=True,
        ),
        _floor("empty_constant", "Floor: empty mask, constant answer", "EmptyMaskRow"),
        Entry(
            name="saved",
            summary="Predictions made elsewhere, from files; written as saved:NAME, with what the user states about them",
            factory="prsbench.methods.saved_predictions.method:SavedPredictions",
            config="prsbench.methods.saved_predictions.config:SavedPredictionsConfig",
            trains=False,
            gpu_gib=0.0,
        ),
        _floor("whole_image", "Floor: all foreground, constant answer", "WholeImageRow"),
    ],
)
