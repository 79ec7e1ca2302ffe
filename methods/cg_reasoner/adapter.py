"""CG-Reasoner as a `Method`: fit, predict, save, load."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods import data_parallel
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import build
from prsbench.methods.cg_reasoner.training import train as run_training
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.llava import LlavaBase
from prsbench.methods.text2centroid import CentroidHead, Text2Centroid
from prsbench.methods.training_images import resize_to_levels
from prsbench.methods.training_loop import read_losses, write_losses
from safetensors.torch import load_file, save_file

WEIGHTS, NOTES = "cg_reasoner.safetensors", "notes.json"
TIED = "llm.language.base_model.model.lm_head.weight"  # the same tensor as the token embedding: stored once


class CGReasonerMethod:
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    def __init__(self, config: CGReasonerConfig):
        self.config = config
        self._notes: tuple[str, ...] = ()

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, self._notes)

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        if self.config.data_parallel_workers > 1:
            self._fit_on_workers(train, val, context)
            return
        torch.manual_seed(context.seed)
        base = self._read_llava(context.device)
        if base is None:
            base = LanguageBase(self.config.language)
            base.load(context.needs["language_base"], context.device)
        head, notes = None, ()
        if self.config.bridge != "none":
            part = Text2Centroid(self.config.text2centroid)
            part.load(context.needs["text2centroid"], context.device)
            head, notes = part.head, part.notes
        self._model, said = build(self.config, base, head)
        if self.config.llava is not None:
            said += f"; language model {Path(self.config.llava).name}, {self.config.llava_dtype}"
        self._base, self._device, self._notes = base, context.device, (said, *notes)
        loop = run_training(self._model, self.config, train, val, context)
        self._history, self._validated = loop.history, loop.validated

    def _fit_on_workers(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Fit on several workers; the first one's weights are saved and read back here."""
        alone = CGReasonerMethod(self.config.model_copy(update={"data_parallel_workers": 1}))
        with TemporaryDirectory(dir=context.scratch) as folder:

            def fit_and_save() -> None:
                alone.fit(train, val, context)
                if data_parallel.rank() == 0:
                    alone.save(Path(folder))

            data_parallel.train_on_workers(fit_and_save, self.config.data_parallel_workers, context)
            self.load(Path(folder), context.device)
            self._history, self._validated = read_losses(Path(folder))

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        start = time.perf_counter()
        side = self.config.image_size_px
        image = torch.stack([resize_to_levels(q.image, side) for q in queries]).to(self._device).float() / 255
        amp = self.config.amp and self._device.startswith("cuda")
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
            logits, answers = self._model.answer(image, [q.question for q in queries], self.config.answer_tokens)
        maps = [_to_native(row, q.image.shape[:2]) for row, q in zip(logits, queries, strict=True)]
        seconds = (time.perf_counter() - start) / len(queries)
        return [Prediction(p, answer, seconds) for p, answer in zip(maps, answers, strict=True)]

    def save(self, folder: Path) -> None:
        state = {k: v.contiguous().cpu() for k, v in self._model.state_dict().items() if not self._lies_elsewhere(k)}
        save_file(state, folder / WEIGHTS)
        if isinstance(self._base, LanguageBase):
            self._base.save_shape(folder)
        (folder / NOTES).write_text(json.dumps(self._notes))
        write_losses(folder, self._history, self._validated)

    def load(self, folder: Path, device: str) -> None:
        """Every tensor of the file must find its place and the other way round; a partial load is an error."""
        base = self._read_llava(device)
        if base is None:
            base = LanguageBase(self.config.language)
            base.load_shape(folder)
        head = CentroidHead(self.config.text2centroid.hidden) if self.config.bridge != "none" else None
        # The weights are all in the file: no need to read the packaged backbone only to overwrite it.
        self._model, _ = build(self.config.model_copy(update={"backbone_weights": None}), base, head)
        state = load_file(folder / WEIGHTS)
        if isinstance(base, LanguageBase):
            state[TIED] = state[TIED.replace("lm_head", "model.embed_tokens")]
        else:
            state |= {k: v for k, v in self._model.state_dict().items() if self._lies_elsewhere(k)}
        self._model.load_state_dict(state)
        self._model.to(device).eval()
        self._base, self._device = base, device
        self._notes = tuple(json.loads((folder / NOTES).read_text()))

    def _read_llava(self, device: str) -> LlavaBase | None:
        if self.config.llava is None:
            return None
        return LlavaBase.read(Path(self.config.llava), self.config.llava_dtype, device)

    def _lies_elsewhere(self, name: str) -> bool:
        """Whether a tensor needs no place in our file: it is the embedding's twin, or frozen in the user's LLaVA folder."""
        if self.config.llava is None:
            return name == TIED
        return name.startswith("llm.language.") and "lora_" not in name


def _to_native(logits_1SS: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
    """Logits resized to native size, then sigmoid: (H, W) float32."""
    native = torch.nn.functional.interpolate(logits_1SS[None], size=shape, mode="bilinear", align_corners=False)
    return native[0, 0].sigmoid().cpu().numpy()
