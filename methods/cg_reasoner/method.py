"""CG-Reasoner as a `Method`: trained here, or loaded from a checkpoint folder in the public layout."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.types import FitContext, Labels, Prediction, Query, Sample, TextSource, Weights
from prsbench.methods.cg_reasoner import checkpoint, public_folder
from prsbench.methods.cg_reasoner.config import CGReasonerCheckpointConfig, CGReasonerConfig
from prsbench.methods.cg_reasoner.gate import gate, read_gate, write_gate
from prsbench.methods.cg_reasoner.model import CGReasoner, build
from prsbench.methods.cg_reasoner.training import answered_images
from prsbench.methods.cg_reasoner.training import train as run_training
from prsbench.methods.cg_reasoner.warm_up import warm_up
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.images import distinct_images, native_probability, resize_to_levels
from prsbench.methods.parts.training import data_parallel
from prsbench.methods.parts.training.loop import read_losses, write_losses
from prsbench.methods.parts.weights.checkpoints import required_folder
from prsbench.methods.parts.weights.exposure import exposure_note, random_start_note
from prsbench.methods.parts.weights.packaged import SMOLLM2
from prsbench.methods.text2centroid.model import Text2Centroid

ANSWERED = "answered_images.txt"  # ids of the training images whose answers were read, if not all were


class CGReasonerMethod:
    """Image and question to mask and generated sentence. One model serves every modality it was trained on."""

    def __init__(self, config: CGReasonerConfig):
        self.config = config
        self._notes: tuple[str, ...] = ()
        self._gate: list[tuple[str, ...]] = []
        self._answered: frozenset[str] | None = None

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.GENERATED, self._notes)

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Train on `train`; `val` is only evaluated, and chooses the epoch with `keep: best`.

        Raises:
            DataError: `keep: best` without a val split, or a split has no samples.
        """
        if self.config.keep == "best" and not len(val):
            raise DataError("cg_reasoner: `keep: best` needs a val split, and no data set has one. Set `keep: last`.")
        if self.config.data_parallel_workers > 1:
            self._fit_on_workers(train, val, context)
            return
        torch.manual_seed(context.seed)
        base = checkpoint.read_base(self.config, context.needs.get("small_llama"), context.device)
        head, notes = None, tuple[str, ...]()
        if self.config.bridge != "none":
            part = Text2Centroid.of(self.config.text2centroid, context.needs.get("text2centroid"), context.device)
            head, notes = part.head, part.notes
        self._model, source = build(self.config, base, head)
        if self.config.language_model is not None:
            name = SMOLLM2.path if self.config.language_model == "packaged" else Path(self.config.language_model).name
            source += f"; language model {name}, {self.config.language_dtype}"
        read = (self.config.language.note,) if self.config.size == "tiny" else ()
        size = (self.config.size_note,) if self.config.size == "paper" else ()
        self._base, self._device, self._notes = base, context.device, (source, *read, *size, _exposure(self.config), *notes)
        if self.config.answered_share < 1:
            self._answered = answered_images(train, self.config.answered_share, context.seed)
            share = f"{self.config.answered_share:.0%} of each modality's training images ({len(self._answered)} images)"
            self._notes += (f"answers of {share} were read, of the others only masks and questions",)
        warm_up(self._model, self.config, train, context, self._answered)
        loop = run_training(self._model, self.config, train, val, context, self._answered)
        self._history, self._validated = loop.history, loop.validated
        if self._model.bridge is not None and len(val):
            lines = gate(self._model, val, self.config.image_size_px, self.config.batch_size, context.device)
            self._gate = [line.text(self.config.bridge) for line in lines]
            failed = [line.given for line in lines if not line.passes]
            self._notes += tuple(
                f"bridge {self.config.bridge} FAILS its gate ({given}): it follows the image" for given in failed
            )

    def _fit_on_workers(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Fit on several workers; rank 0 saves the weights, which are loaded here."""
        single = CGReasonerMethod(self.config.model_copy(update={"data_parallel_workers": 1}))
        with TemporaryDirectory(dir=context.scratch) as folder:

            def fit_and_save() -> None:
                single.fit(train, val, context)
                if data_parallel.rank() == 0:
                    single.save(Path(folder))

            data_parallel.train_on_workers(fit_and_save, self.config.data_parallel_workers, context)
            self.load(Path(folder), context.device)
            self._history, self._validated = read_losses(Path(folder))
            self._gate = read_gate(Path(folder))
            answered = Path(folder) / ANSWERED
            self._answered = frozenset(answered.read_text().splitlines()) if answered.exists() else None

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return _answer(self._model, self.config, self.config.amp, self._device, queries)

    def save(self, folder: Path) -> None:
        write_losses(folder, self._history, self._validated)
        write_gate(self._gate, folder)
        if self._answered is not None:
            (folder / ANSWERED).write_text("".join(f"{image_id}\n" for image_id in sorted(self._answered)))
        checkpoint.write(folder, self._model, self.config, self._base, self._notes)

    def load(self, folder: Path, device: str) -> None:
        """The file and the network must have exactly the same tensors; a partial load is an error."""
        self._model, self._base, self.matched, self._notes = checkpoint.read(folder, self.config, device)
        self._device = device

    def export(self, folder: Path) -> None:
        """Write the loaded model in the public layout, which `CGReasonerCheckpoint` reads."""
        public_folder.write(folder, self._model, self.config, self._base, self._notes)


class CGReasonerCheckpoint(FrozenMethod):
    """A trained CG-Reasoner from a folder of the public layout, frozen."""

    def __init__(self, config: CGReasonerCheckpointConfig):
        self.config = config
        self._weights = Weights.IMPORTED
        self._notes: tuple[str, ...] = ()

    @property
    def labels(self) -> Labels:
        return Labels(self.config.prompt_source, self._weights, TextSource.GENERATED, self._notes)

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (the weights lie elsewhere)
        """Load the config's `checkpoint`; `folder` is ignored. See `public_folder.read` for errors."""
        what = "a folder that `prsbench export` wrote or to the official folder"
        given = required_folder(public_folder.ROW, "checkpoint", self.config.checkpoint, what, *public_folder.REQUIRED)
        self._model, self._used, self.matched, description = public_folder.read(given, self.config.language_model, device)
        self._device = device
        self._weights = Weights.IMPORTED if description else Weights.OFFICIAL
        notes = description.get("sources", ["exposure of its training to the test data: unknown"])
        matched = f"{self.matched.found} of {self.matched.expected} tensors matched"
        unread = [f"not read: {', '.join(names)}"] if (names := public_folder.unknown_files(given)) else []
        self._notes = (f"checkpoint {given.name}, {self._used.size_note}, {matched}", *unread, *notes)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        return _answer(self._model, self._used, self.config.amp, self._device, queries)


def _exposure(config: CGReasonerConfig) -> str:
    """Whether its initial weights have seen the test data. The packaged language models have read text only."""
    if config.size == "paper" or config.backbone.weights not in ("packaged", None):
        return exposure_note("the user's weights")
    return random_start_note() if config.backbone.weights is None else exposure_note("imagenet_1k")


def _answer(model: CGReasoner, config: CGReasonerConfig, amp: bool, device: str, queries: Sequence[Query]) -> list[Prediction]:
    start = time.perf_counter()
    images, numbers = distinct_images(queries)
    image = torch.stack([resize_to_levels(one, config.image_size_px) for one in images]).to(device).float() / 255
    row_image = torch.tensor(numbers, device=device)
    with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp and device.startswith("cuda")):
        logits_R1SS, answers = model.answer(image, row_image, [q.question for q in queries])
    maps = [native_probability(logits_1SS, q.image.shape[:2]) for logits_1SS, q in zip(logits_R1SS, queries, strict=True)]
    seconds = (time.perf_counter() - start) / len(queries)
    return [Prediction(p, answer, seconds) for p, answer in zip(maps, answers, strict=True)]
