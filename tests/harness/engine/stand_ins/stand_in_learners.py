"""Stand-ins that are trained with learning rates, for the tests of tuning. No torch."""

import time

import numpy as np
from prsbench.harness.contract.types import Prediction
from pydantic import BaseModel, ConfigDict
from stand_in_methods import Bright, StandInConfig, log


class LoRA(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    rank: int = 4
    learning_rate: float = 1e-3


class LearnerConfig(StandInConfig):
    best: float = 0.003  # at this rate it finds all bright pixels; at others, fewer
    short_needs: float = 0.0  # a training of fewer than 50 epochs finds less at rates below this one, and any higher one does
    epochs: int = 50
    epoch_s: float = 0.002
    learning_rate: float = 0.001
    decoder_learning_rate: float = 0.001
    final_learning_rate: float = 1e-6


class AdapterConfig(LearnerConfig):
    lora: LoRA = LoRA()


class Learner(Bright):
    """A mask that is worse the further its learning rate is above the best one."""

    def fit(self, train, val, context):
        if self.config.learning_rate == 0.01:
            raise RuntimeError("the loss is not finite")
        for epoch in range(self.config.epochs):
            started = time.process_time()
            while time.process_time() - started < self.config.epoch_s:
                pass
            context.progress(epoch + 1, self.config.epochs, "epochs")

    def _one(self, query):
        log(f"predicted {query.sample_id}")
        config = self.config
        is_short = config.short_needs and config.epochs < 50
        found = config.learning_rate / config.short_needs if is_short else config.best / config.learning_rate
        seen = query.image[..., 0] > 150
        kept = np.flatnonzero(seen)[: round(seen.sum() * min(1.0, found))]
        mask = np.zeros(seen.shape, np.float32)
        mask.flat[kept] = 1.0
        return Prediction(mask, "At the left.", 0.0)
