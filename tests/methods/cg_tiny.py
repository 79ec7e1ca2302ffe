"""CG-Reasoner at a size that trains in a second, for the tests of its parts."""

import numpy as np
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner import training
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.text2centroid.config import Text2CentroidConfig

LANGUAGE = SmallLlamaConfig(
    weights="retrain", layout_side=4, token_side=4, vocabulary=300, width=32, layers=2, heads=2, feed_forward=64, steps=30,
    batch_size=8,
)  # fmt: skip
CONFIG = CGReasonerConfig(
    image_size_px=64, backbone={"feature_channels": 32}, language=LANGUAGE, text2centroid=Text2CentroidConfig(steps=20), epochs=2,
    batch_size=4, answer_tokens=12, bridge="hidden",
)  # fmt: skip


def fitted(samples, needs, **changes) -> CGReasonerMethod:
    method = CGReasonerMethod(CONFIG.model_copy(update=changes))
    method.fit(samples, [], FitContext(0, "cpu", needs))
    return method


def batch_of(samples, flip: float = 0.0):
    augmentation = CONFIG.augmentation.model_copy(update={"horizontal_flip": flip, "shift": 0.0, "zoom": 0.0})
    config = CONFIG.model_copy(update={"augmentation": augmentation})
    images = training.prepare(samples, config.image_size_px)
    shown = training.augment(images, config, np.random.default_rng(0))
    return training.collate(shown, LANGUAGE.layout_side, "cpu", with_reference=True)
