"""Every method by name, without importing any of them."""

from __future__ import annotations

from prsbench.harness.contract.catalog import Catalog, Entry
from prsbench.harness.contract.types import PromptSource
from prsbench.methods.packaged_weights import EFFICIENTNET_LITE0, LITE_MEDSAM, MINILM

_REFERENCE = "prsbench.methods.reference"
_TRUTH_SOURCES = (f"{_REFERENCE}.truth_rows", f"{_REFERENCE}.config", "prsbench.methods.answers")
_BLIND_SOURCES = (f"{_REFERENCE}.blind_rows", f"{_REFERENCE}.config", "prsbench.methods.answers")
_LITE_MEDSAM = "prsbench.methods.lite_medsam"


def _lite_medsam(name: str, source: PromptSource, told: str) -> Entry:
    return Entry(
        name=name,
        summary=f"LiteMedSAM, frozen; prompt: {told}",
        factory=f"{_LITE_MEDSAM}:LiteMedSAMMethod",
        config=f"{_LITE_MEDSAM}_config:LiteMedSAMConfig",
        sources=(
            _LITE_MEDSAM,
            f"{_LITE_MEDSAM}_config",
            "prsbench.methods.automatic_box",
            "prsbench.methods.answers",
            "prsbench.methods.packaged_weights",
        ),
        defaults={"prompt_source": source},
        trains=False,
        packaged=(LITE_MEDSAM,),
    )


_TEXT2CENTROID = (
    "prsbench.methods.text2centroid",
    "prsbench.methods.sentence_encoder",
    "prsbench.methods.packaged_weights",
    "prsbench.methods.parts",
)
_LANGUAGE_BASE = ("prsbench.methods.language_base", "prsbench.methods.wording", "prsbench.methods.parts")


def _cg_reasoner(name: str, summary: str, **defaults: str) -> Entry:
    return Entry(
        name=name,
        summary=summary,
        factory="prsbench.methods.cg_reasoner.adapter:CGReasonerMethod",
        config="prsbench.methods.cg_reasoner.config:CGReasonerConfig",
        sources=(
            "prsbench.methods.cg_reasoner",
            "prsbench.methods.multimodal_llm",
            "prsbench.methods.vision_backbone",
            *dict.fromkeys(_LANGUAGE_BASE + _TEXT2CENTROID),
        ),
        defaults=defaults,
        packaged=(EFFICIENTNET_LITE0, MINILM),
    )


PARTS = Catalog(
    "part",
    [
        Entry(
            name="language_base",
            summary="Small Llama trained on training questions, answers and drawings; the embedded stand-in for an LLM",
            factory="prsbench.methods.language_base:LanguageBase",
            config="prsbench.methods.parts:LanguageBaseConfig",
            sources=_LANGUAGE_BASE,
        ),
        Entry(
            name="text2centroid",
            summary="Text2Centroid: sentence to point, frozen Sentence-BERT and an MLP",
            factory="prsbench.methods.text2centroid:Text2Centroid",
            config="prsbench.methods.parts:Text2CentroidConfig",
            sources=_TEXT2CENTROID,
            packaged=(MINILM,),
        ),
    ],
)

METHODS = Catalog(
    "method",
    [
        _cg_reasoner("cg_reasoner", "CG-Reasoner, embedded size, trained here on all data sets together"),
        _cg_reasoner("cg_reasoner_without_t2c", "CG-Reasoner without Text2Centroid and its spatial loss", bridge="none"),
        _lite_medsam("lite_medsam_oracle_box", PromptSource.ORACLE_BOX, "the true mask's tight box"),
        _lite_medsam("lite_medsam_jittered_box", PromptSource.JITTERED_BOX, "the true box with its edges moved at random"),
        _lite_medsam("lite_medsam_automatic", PromptSource.AUTOMATIC, "a box it proposes itself, no truth used"),
        Entry(
            name="oracle",
            summary="Ceiling: true mask, reference answer",
            factory=f"{_REFERENCE}.truth_rows:OracleRow",
            config=f"{_REFERENCE}.config:TruthRowConfig",
            sources=_TRUTH_SOURCES,
            trains=False,
        ),
        Entry(
            name="oracle_shuffled_answer",
            summary="True mask, reference answer of another sample",
            factory=f"{_REFERENCE}.truth_rows:ShuffledAnswerRow",
            config=f"{_REFERENCE}.config:ShuffledAnswerConfig",
            sources=_TRUTH_SOURCES,
            trains=False,
        ),
        Entry(
            name="oracle_opposite_answer",
            summary="True mask, opposite position in a fixed sentence",
            factory=f"{_REFERENCE}.truth_rows:OppositeAnswerRow",
            config=f"{_REFERENCE}.config:TruthRowConfig",
            sources=_TRUTH_SOURCES,
            trains=False,
        ),
        Entry(
            name="mean_mask_frequent_answer",
            summary="Floor: mean training mask and most frequent training position of the modality",
            factory=f"{_REFERENCE}.blind_rows:MeanMaskRow",
            config=f"{_REFERENCE}.config:MeanMaskConfig",
            sources=_BLIND_SOURCES,
        ),
        Entry(
            name="empty_constant",
            summary="Floor: empty mask, constant answer",
            factory=f"{_REFERENCE}.blind_rows:EmptyMaskRow",
            config=f"{_REFERENCE}.config:BlindRowConfig",
            sources=_BLIND_SOURCES,
            trains=False,
        ),
        Entry(
            name="whole_image",
            summary="Floor: all foreground, constant answer",
            factory=f"{_REFERENCE}.blind_rows:WholeImageRow",
            config=f"{_REFERENCE}.config:BlindRowConfig",
            sources=_BLIND_SOURCES,
            trains=False,
        ),
    ],
)
