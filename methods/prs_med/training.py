"""Training of PRS-Med at the embedded size: its optimizer and the weights of its loss terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.frozen_features.lite_medsam import FeatureViews, PictureViews
from prsbench.methods.parts.frozen_features.training import train_on_features
from prsbench.methods.parts.training.augmentation import ImageAndScene
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.losses import weighted
from prsbench.methods.prs_med.config import PRSMedConfig
from prsbench.methods.prs_med.model import CLASS_IDS, PRSMed
from torch import Tensor


def train(
    model: PRSMed,
    config: PRSMedConfig,
    images: Sequence[ImageAndScene],
    features: FeatureViews | PictureViews,
    context: FitContext,
) -> Loop:
    """See `train_on_features`.

    Raises:
        DataError: the official code has no class for a modality.
    """
    unknown = {image.modality for image, _ in images} - set(CLASS_IDS)
    if unknown:
        raise DataError(f"PRS-Med has no class for modality {', '.join(sorted(unknown))}. Known: {', '.join(CLASS_IDS)}.")
    of_encoder = {} if config.encoder_learning_rate is None else {"encoder.": config.encoder_learning_rate}
    of_decoder = {"mask_decoder.": config.decoder_learning_rate}
    rates = {"lora": config.lora.learning_rate, **of_encoder, **of_decoder, "new": config.learning_rate}
    optimizer = adamw(model, rates, config.weight_decay, config.adam_eps)
    return train_on_features(
        model, optimizer, config, images, features, context, lambda terms, epoch: weighted_sum(terms, config, epoch)
    )


def weighted_sum(terms: Mapping[str, Tensor], config: PRSMedConfig, epoch: int) -> Tensor:
    """Structure loss + CE of the text + 0.5 * CE of the modality (first 5 epochs) + our alignment loss."""
    weight = {
        "segmentation": 1.0,
        "text": config.losses.text_weight,
        "alignment": config.losses.alignment_weight,
        "modality": config.losses.modality_weight if epoch < config.losses.modality_epochs else 0.0,
    }
    return weighted(terms, weight)
