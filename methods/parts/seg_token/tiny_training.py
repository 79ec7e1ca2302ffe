"""Training of LISA and PixelLM at the embedded size: their optimizer and the weights of their loss terms."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.types import FitContext, Labels, TextSource, Weights
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, PictureViews
from prsbench.methods.parts.frozen_features.training import train_on_features
from prsbench.methods.parts.seg_token.config import TinyConfig
from prsbench.methods.parts.seg_token.tiny_network import MaskTokenSegmenter
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.losses import weighted
from prsbench.methods.parts.training.recipe import difference_note
from prsbench.methods.parts.weights.exposure import exposure_note


def tiny_labels(config: TinyConfig, note: str) -> Labels:
    """The row's labels. note: which component replaces which."""
    empty = "an answer without its [SEG] tokens gives an empty mask"
    notes = (note, empty, config.language.note, difference_note(config), exposure_note("lite_medsam"))
    return Labels(config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, notes)


def train(
    model: MaskTokenSegmenter,
    config: TinyConfig,
    images: Sequence[ImageAndScene],
    features: FeatureViews | PictureViews,
    context: FitContext,
) -> Loop:
    """See `train_on_features`."""
    language = config.lora.learning_rate  # the embedding's too: it is pre-trained, and the rate of new modules spoils the masks
    rates = {"lora": language, "llm.language.": language, "decoder.": config.decoder_learning_rate, "new": config.learning_rate}
    optimizer = adamw(model, rates, config.weight_decay, config.adam_eps)
    weight = {
        "text": config.losses.text_weight,
        "bce": config.losses.bce_weight,
        "dice": config.losses.dice_weight,
        "alignment": config.losses.alignment_weight,
    }
    return train_on_features(model, optimizer, config, images, features, context, lambda terms, _: weighted(terms, weight))
