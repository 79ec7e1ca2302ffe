"""The paper's size on one GPU of 80 GB, at full width and depth with random weights: `make bench-gpu`, 8 minutes, no downloads.

Each section has its own seconds. One that fails or runs out of time prints why, the others go on, and the exit code is 1; a
missed target is only printed. `--width small --device cpu` runs the same code on small networks, whose figures mean nothing.

Steps and answers stand beside the public code's schedule (`bench_train.py`): same network, same batch, under bf16 autocast alike.
"MFU" is the share of the GPU's dense bf16 rate that goes into needed work: each module forward once, twice that backward where
weights are trained, once where they are frozen; work done again is not counted. Tokens are of image and text, without padding.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from prsbench.harness.contract.types import Box, FitContext, PromptSource, Query, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

HERE = Path(__file__).parent
BF16_RATES = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # dense FLOP/s in the datasheets of the SXM parts
QUESTION = "Can you describe the location of the tumour in the MRI image?"


@dataclass(frozen=True, eq=False)
class Width:
    """Sizes of the networks. text and vision: of LLaVA-Med's Mistral and CLIP; llama and clip: of LISA's."""

    text: dict[str, int]
    vision: dict[str, int]
    llama: dict[str, int]
    clip: dict[str, int]
    cg_reasoner: dict[str, object]
    sam: tuple[int, int, int, tuple[int, ...]]
    side_px: int = 1024
    answer_tokens: int = 32
    runs: int = 5
    answers: int = 8
    amp: dict[str, object] = field(default_factory=dict)
    amp_epochs: int = 10
    matrix: int = 8192


CLIP_L = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14}
SMALL_CLIP = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 28,
              "patch_size": 14}  # fmt: skip
SMALL_TEXT = {"vocab_size": 1000, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDTHS = {
    "full": Width(
        text={"vocab_size": 32000},  # MistralConfig's defaults are Mistral-7B
        vision={**CLIP_L, "image_size": 336},
        llama={"vocab_size": 32003},  # LlamaConfig's defaults are Llama-7B
        clip={**CLIP_L, "image_size": 224},
        cg_reasoner={},
        sam=(1280, 32, 16, (7, 15, 23, 31)),
    ),
    "small": Width(
        text={**SMALL_TEXT, "num_key_value_heads": 2, "head_dim": 8},
        vision=SMALL_CLIP,
        llama=SMALL_TEXT,
        clip=SMALL_CLIP,
        cg_reasoner={
            "image_size_px": 64, "batch_size": 2, "language_dtype": "float32",
            "backbone": {"name": "convnext_atto", "weights": None, "feature_channels": 32},
        },
        sam=(32, 1, 2, (0,)),
        side_px=64,
        answer_tokens=3,
        runs=1,
        answers=3,
        amp={"image_size_px": 64, "backbone": {"weights": None, "feature_channels": 16}, "batch_size": 4},
        amp_epochs=1,
        matrix=64,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    width: Width
    device: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.on_gpu)

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """The median of several runs, after one that is not timed."""
        work()
        return statistics.median(self.once(work) for _ in range(self.width.runs))

    def once(self, work: Callable[[], object]) -> float:
        self.wait()
        start = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - start

    def peak_gib(self, work: Callable[[], object]) -> float:
        """Peak memory of the device, everything included; NaN on a CPU."""
        if not self.on_gpu:
            return math.nan
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() / 2**30


@dataclass(frozen=True)
class Figure:
    """One measured number. target: what it should reach, at least or at most; None: nothing is asked of it."""

    what: str
    value: float | None  # None: not measured
    unit: str
    target: float | None = None
    at_most: bool = False

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            object.__setattr__(self, "value", None)

    @property
    def verdict(self) -> str:
        if self.target is None or self.value is None:
            return ""
        return "met" if (self.value <= self.target if self.at_most else self.value >= self.target) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        target = "" if self.target is None else f"{'<=' if self.at_most else '>='} {self.target:g}"
        value = "not measured" if self.value is None else f"{self.value:.4g} {self.unit}".rstrip()
        return self.what, value, target, self.verdict


@dataclass
class Section:
    name: str
    figures: list[Figure] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


class MissingFixtures(Exception):
    """The section cannot run here; this is not a failure."""


# Random networks at full width


@contextmanager
def made_in(dtype: torch.dtype, device: str) -> Iterator[None]:
    """Modules are built in this precision on the device, where random weights take no time."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


@cache
def tokenizer():
    """Whole words of the sentences used here are tokens, about as long as in a tokenizer of 32,000."""
    from prsbench.methods.parts.language.small_llama import train_tokenizer

    made = train_tokenizer([QUESTION, *(sample.truth.answer for sample in samples(8, 64))], 600)
    made.add_tokens(["[SEG]", "<im_start>", "<im_end>", "<unk>"])
    made.unk_token = "<unk>"
    return made


def samples(count: int, side_px: int) -> list[Sample]:
    """Discs on noise, of the size that the networks read, with a question as long as the official ones."""
    sys.path.insert(0, str(HERE))
    from conftest import disc_sample
    from PIL import Image

    made = []
    for number in range(count):
        disc = disc_sample(number)
        image, mask = (Image.fromarray(a).resize((side_px, side_px)) for a in (disc.query.image, disc.truth.mask))
        query = replace(disc.query, image=np.array(image), question=QUESTION)
        made.append(replace(disc, query=query, truth=replace(disc.truth, mask=np.array(mask))))
    return made


def llava(setting: Setting):
    """LLaVA-Med v1.5's architecture; the end token is never the likeliest, so that all answers are equally long."""
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, MistralConfig

    width = setting.width
    config = LlavaConfig(
        text_config=MistralConfig(sliding_window=None, **width.text),
        vision_config=CLIPVisionConfig(**width.vision),
        image_token_index=width.text["vocab_size"] - 1,
    )
    with made_in(torch.bfloat16 if setting.on_gpu else torch.float32, setting.device):
        model = LlavaForConditionalGeneration(config).requires_grad_(False).eval()
    return without_end(model)


def without_end(model):
    with torch.no_grad():
        model.lm_head.weight[tokenizer().eos_token_id] = 0
    return model


def cg_reasoner(setting: Setting, **changes: object) -> tuple[CGReasoner, CGReasonerConfig]:
    from prsbench.methods.cg_reasoner.model import build
    from prsbench.methods.parts.language.llava_med import LlavaBase
    from prsbench.methods.text2centroid.model import CentroidHead

    given = {"backbone": {"weights": None}, "bridge": "none", **setting.width.cg_reasoner, **changes}
    config = CGReasonerConfig(size="paper", answer_tokens=setting.width.answer_tokens, **given)
    torch.manual_seed(0)
    head = CentroidHead(config.text2centroid.hidden) if config.bridge != "none" else None
    model, _ = build(config, LlavaBase(tokenizer(), llava(setting)), head)
    return model.to(setting.device).train(), config


def batch_of(config: CGReasonerConfig, setting: Setting, count: int, with_reference: bool = False) -> Batch:
    from prsbench.methods.cg_reasoner import training

    images = training.prepare(samples(count, config.image_size_px), config.image_size_px)
    augmented = training.augment(images, config, np.random.default_rng(0))
    return training.collate(augmented, config.language.layout_side, setting.device, with_reference)


# Sections: each yields its figures as they are measured


def peak(setting: Setting) -> Iterator[Figure]:
    """What one large matrix product reaches."""
    yield Figure("bf16 matrix product", measured_rate(setting) / 1e12, "TFLOP/s")


@cache
def measured_rate(setting: Setting) -> float:
    size, dtype = setting.width.matrix, torch.bfloat16 if setting.on_gpu else torch.float32
    square = torch.randn(size, size, device=setting.device, dtype=dtype)
    return 2 * size**3 / setting.seconds(lambda: square @ square)


def rate(setting: Setting) -> float:
    """The datasheet's, of a GPU it is known of; otherwise what a matrix product reaches here."""
    name = torch.cuda.get_device_name() if setting.on_gpu else ""
    return next((flops for part, flops in BF16_RATES.items() if part in name), None) or measured_rate(setting)


def training_step(setting: Setting) -> Iterator[Figure]:
    """CG-Reasoner's step, optimizer included, with and without recomputed activations, beside the public schedule."""
    from bench_train import our_loss, public_loss
    from prsbench.methods.parts.training.lora import adamw

    model, config = cg_reasoner(setting)
    rates = {"encoder.backbone.": config.backbone.learning_rate, "lora": config.lora.learning_rate, "new": config.learning_rate}
    optimizer = adamw(model, rates, config.weight_decay, config.adam_eps)

    def step(batch: Batch, loss: Callable[[CGReasoner, Batch], Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        with setting.autocast():
            value = loss(model, batch)
        value.backward()
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.gradient_clip)
        optimizer.step()

    ours, language = partial(our_loss, config), model.llm.language.get_base_model()
    for count in (config.batch_size, config.batch_size // 2, 1):
        free(setting)
        batch = batch_of(config, setting, count)
        public = partial(step, batch, public_loss)
        try:
            language.gradient_checkpointing_disable()
            public_gib, public_s = setting.peak_gib(public), setting.seconds(public)
            break
        except torch.OutOfMemoryError:  # the public schedule's peak decides how many images are compared
            public_gib = public_s = math.nan
        optimizer.zero_grad(set_to_none=True)
    yield Figure("images a step", count, "")
    yield Figure("public schedule: step", public_s, "s")
    yield Figure("public schedule: peak memory", public_gib, "GiB")
    flops, tokens = needed_flops(model, batch, setting), tokens_of(model, batch)
    for name, switch in (
        ("recomputing, the default", partial(language.gradient_checkpointing_enable, {"use_reentrant": False})),
        ("storing (gradient_checkpointing: false)", language.gradient_checkpointing_disable),
    ):
        switch()
        work = partial(step, batch, ours)
        gib, seconds = setting.peak_gib(work), setting.seconds(work)
        yield Figure(f"{name}: step", seconds, "s")
        yield Figure(f"{name}: speed against the public schedule", public_s / seconds, "x", 2.0)
        yield Figure(f"{name}: peak memory", gib, "GiB")
        yield Figure(f"{name}: peak memory against the public schedule", gib / public_gib, "x", 0.7, at_most=True)
        yield Figure(f"{name}: MFU", 100 * flops / seconds / rate(setting), "%", 35)
        yield Figure(f"{name}: images a second", count / seconds, "")
        yield Figure(f"{name}: tokens a second", tokens / seconds, "")
    yield Figure("needed work a step", flops / 1e12, "TFLOP")


def needed_flops(model: CGReasoner, batch: Batch, setting: Setting) -> float:
    """Of a step: three times the forward pass where weights are trained, twice where they are frozen and carry gradients."""
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:  # the counter cannot hook views of them
        parameter.requires_grad_(False)
    with torch.no_grad(), setting.autocast():
        features = model.features(batch.image_B3SS)
        states = torch.zeros(len(features), 8, model.llm.width, device=features.device)
        is_prompt = torch.ones(states.shape[:2], dtype=torch.bool, device=features.device)
        whole, encoder, decoder = (
            flops_of(work)
            for work in (
                lambda: model.losses(batch),
                lambda: model.features(batch.image_B3SS),
                lambda: model.decoder(features, states, is_prompt),
            )
        )
    for parameter in trained:
        parameter.requires_grad_(True)
    return 3 * (encoder + decoder) + 2 * (whole - encoder - decoder)


def flops_of(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def tokens_of(model: CGReasoner, batch: Batch) -> int:
    from prsbench.methods.parts.language.text_rows import answer_ids

    vision = model.llm.language.get_base_model().config.vision_config
    texts = [len(model.llm._question_ids(q)) for q in batch.questions] + [len(answer_ids(tokenizer(), a)) for a in batch.answers]
    return len(batch.image_B3SS) * (vision.image_size // vision.patch_size) ** 2 + sum(texts)


def spatial_step(setting: Setting) -> Iterator[Figure]:
    """The step with the sampled Text2Centroid bridge, which the public code lacks: it generates answers."""
    from bench_train import our_loss

    model, config = cg_reasoner(setting, bridge="sampled")
    batch = batch_of(config, setting, config.batch_size)

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with setting.autocast():
            loss = our_loss(config, model, batch)
        loss.backward()

    gib = setting.peak_gib(step)
    yield Figure(f"step with {config.bridge_samples} sampled answers an image", setting.seconds(step), "s")
    yield Figure("its peak memory", gib, "GiB")


def answers(setting: Setting) -> Iterator[Figure]:
    """CG-Reasoner's masks and sentences beside the public schedule."""
    from bench_train import our_answer, public_answer

    model, config = cg_reasoner(setting)
    model.eval()
    batch = batch_of(config, setting, config.batch_size)
    count = len(batch.questions)
    seconds = []
    for work in (our_answer, public_answer):
        with setting.autocast():
            seconds.append(setting.seconds(partial(work, model, batch)))
    yield Figure(f"answers a second, {count} at once, {config.answer_tokens} tokens each", count / seconds[0], "")
    yield Figure("public schedule: answers a second", count / seconds[1], "")
    yield Figure("speed against the public schedule", seconds[1] / seconds[0], "x", 1.7)


def prs_med(setting: Setting) -> Iterator[Figure]:
    """The official row, with one and with eight questions in LLaVA-Med's batch; masks and sentences, images read."""
    from prsbench.methods.parts.sam.networks import tiny_vit
    from prsbench.methods.prs_med import official
    from prsbench.methods.prs_med.config import PRSMedOfficialConfig
    from prsbench.methods.prs_med.decoder import MaskDecoder

    model = llava(setting)
    width = model.config.get_text_config().hidden_size
    small = setting.width.side_px < 1024
    encoder = nn.Sequential(nn.Conv2d(3, 256, 16, stride=16)) if small else tiny_vit()  # TinyViT has one size

    def method(size: int) -> official.PRSMedOfficialMethod:
        made = official.PRSMedOfficialMethod(PRSMedOfficialConfig(llm_batch_size=size, answer_tokens=setting.width.answer_tokens))
        made._device, made._llava, made._tokenizer, made._identity = setting.device, model, tokenizer(), "random"
        made._encoder, made._decoder = encoder.to(setting.device).eval(), MaskDecoder(width).to(setting.device).eval()
        return made

    with mock.patch.object(official, "SIDE_PX", setting.width.side_px):
        yield from official_answers(setting, method)


def lisa(setting: Setting) -> Iterator[Figure]:
    """The official 7B row, likewise; every question asks for one mask."""
    from prsbench.methods.lisa import method as module
    from prsbench.methods.lisa.config import LISAConfig
    from prsbench.methods.lisa.network import LISA
    from prsbench.methods.parts.sam.networks import ViT, build_vit_sam
    from prsbench.methods.parts.sam.processing import LongestSide
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, LlamaConfig

    width = setting.width
    side, dtype = width.clip["image_size"], torch.bfloat16 if setting.on_gpu else torch.float32
    with made_in(dtype, setting.device):
        shape = LlamaConfig(**width.llama, tie_word_embeddings=False)
        network = LISA(shape, build_vit_sam(ViT(*width.sam), side_px=width.side_px), width.clip["hidden_size"])
        vision = CLIPVisionModel(CLIPVisionConfig(**width.clip)).requires_grad_(False).eval()
    network.model.visual_model.float()
    without_end(network.requires_grad_(False).eval())

    def method(size: int) -> module.LISAMethod:
        made = module.LISAMethod(LISAConfig(size="7b", llm_batch_size=size, answer_tokens=width.answer_tokens))
        made._device, made._network, made._vision, made._tokenizer = setting.device, network, vision, tokenizer()
        made._identity, made._mask_tokens = "random", [tokenizer().convert_tokens_to_ids("[SEG]")]
        made._clip = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        return made

    with mock.patch.object(module, "PROCESSING", LongestSide(width.side_px)):
        yield from official_answers(setting, method, f"{QUESTION} [SEG]")


def official_answers(setting: Setting, method: Callable[[int], object], question: str = QUESTION) -> Iterator[Figure]:
    """Answers a second to questions about as many images, and about two images; each measured once."""
    from prsbench.methods.feature_cache import fresh_features

    queries = [replace(one.query, question=question) for one in samples(setting.width.answers, setting.width.side_px)]
    of_two = [replace(queries[n % 2], sample_id=str(n)) for n in range(len(queries))]
    tokens, rates = setting.width.answer_tokens, {}
    for size in (1, 8):
        row = method(size)

        def predict(asked: Sequence[Query], row=row) -> None:
            with fresh_features():
                row.predict(asked)

        predict(queries[:size])
        for count, asked in ((len(queries), queries), (2, of_two)):
            rates[size, count] = len(asked) / setting.once(partial(predict, asked))
            what = f"llm_batch_size {size}: answers of {tokens} tokens a second, {len(asked)} questions about {count} images"
            yield Figure(what, rates[size, count], "")
    yield Figure("llm_batch_size 8 against 1", rates[8, len(queries)] / rates[1, len(queries)], "x")


def sam(setting: Setting) -> Iterator[Figure]:
    """The SAM ViT-H row with a box: resizing, encoder, decoder and the map at native size."""
    from prsbench.methods.feature_cache import fresh_features
    from prsbench.methods.parts.sam import frozen_sam, variants
    from prsbench.methods.parts.sam.networks import ViT, build_vit_sam
    from prsbench.methods.parts.sam.processing import LongestSide
    from prsbench.methods.parts.weights.checkpoints import Matched
    from prsbench.methods.sam.config import SamCheckpointConfig

    side = setting.width.side_px
    network = build_vit_sam(ViT(*setting.width.sam), side_px=side).requires_grad_(False).eval().to(setting.device)
    loaded, processing = variants.Loaded(network, Matched(0, 0), "random"), LongestSide(side)
    queries: Sequence[Query] = [one.query for one in samples(setting.width.answers, side)]
    for amp, name in ((True, "bf16, the default"), (False, "float32")):
        config = SamCheckpointConfig(variant="sam_vit_h", prompt_source=PromptSource.ORACLE_BOX, amp=amp)
        with (
            mock.patch.object(frozen_sam, "load_variant", return_value=loaded),
            mock.patch.object(frozen_sam, "processing_of", return_value=processing),
        ):
            row = frozen_sam.FrozenSam(config, setting.device)

        def segment(row: frozen_sam.FrozenSam = row) -> None:
            with fresh_features(), torch.inference_mode():
                for query in queries:
                    row.segment_box(query.image, Box(side // 4, side // 4, side // 2, side // 2))

        yield Figure(f"images a second, {name}", len(queries) / setting.seconds(segment), "")


def amp_training(setting: Setting) -> Iterator[Figure]:
    """The embedded size trained on the CPU and on the device, in float32 and under AMP, from the same weights and batches.

    Tolerances, of the mean loss of the last quarter of the steps: 1 % in float32, 3 % under AMP, whose rounding grows with steps.
    """
    from prsbench.methods.cg_reasoner.method import CGReasonerMethod

    def losses(device: str, amp: bool) -> float:
        given = {"bridge": "none", "lora": {"dropout": 0.0}, "epochs": setting.width.amp_epochs, **setting.width.amp}
        config = CGReasonerConfig(amp=amp, **given)
        method = CGReasonerMethod(config)
        method.fit(samples(16, config.image_size_px), [], FitContext(0, device))
        history = [line["loss"] for line in method._history]
        return float(np.mean(history[-max(1, len(history) // 4) :]))

    reference = losses("cpu", False)
    yield Figure("loss on the CPU", reference, "")
    for name, amp, tolerance in (("in float32", False, 1.0), ("under AMP", True, 3.0)):
        difference = 100 * abs(losses(setting.device, amp) / reference - 1)
        yield Figure(f"loss on the device {name}: difference", difference, "%", tolerance, at_most=True)
        if not difference <= tolerance:
            raise AssertionError(f"the loss {name} differs by {difference:.2f} %, more than {tolerance:g} %")


def parity_fixtures(setting: Setting) -> Iterator[Figure]:
    """Numbers recorded from the official code on pseudo-weights, with TF32 off; the greatest difference of each."""
    sys.path.insert(0, str(HERE.parent / "golden"))
    import parity

    if not (parity.FOLDER / "cg_reasoner_decoder.json").exists():
        raise MissingFixtures("no fixtures: set PRSBENCH_SHARED to the folder that holds parity/")
    for name, check in (
        ("cg_reasoner_decoder", check_cg_reasoner),
        ("prs_med_decoder", partial(check_prs_med, version=5)),
        ("prs_med_decoder_v6", partial(check_prs_med, version=6)),
        ("lisa", check_lisa),
        *(((name, check_sam) for name in ("tinysam_vit_t", "sam_med2d", "sam_vit_b")) if setting.width.side_px == 1024 else ()),
    ):
        with without_tf32(), torch.inference_mode():
            yield Figure(f"{name}: greatest difference", max(check(parity.Parity(name), setting.device)), "")


def check_cg_reasoner(fixture, device: str) -> Iterator[float]:
    from prsbench.methods.cg_reasoner.decoder import MaskDecoder

    decoder = MaskDecoder(prompt_width=128)
    decoder.load_state_dict(fixture.weights() | {"ds1.bn.num_batches_tracked": torch.tensor(0)})
    decoder.to(device).eval()
    for grid in ("grid16", "grid64"):
        given = fixture.json["inputs"][grid]
        features, prompt = (fixture.tensor(given[name]).to(device) for name in ("image_feat", "prompt_feat"))
        shrunk = nn.functional.interpolate(decoder(features, prompt), size=features.shape[-2:], mode="bilinear")
        yield fixture.check(f"{grid}/mask_logits", shrunk)


def check_prs_med(fixture, device: str, version: int) -> Iterator[float]:
    from prsbench.methods.parts.weights.checkpoints import fill
    from prsbench.methods.prs_med.decoder import MaskDecoder

    inputs = fixture.json["inputs"]
    case = next(iter(inputs.values()))
    width = next(described["shape"][-1] for described in case.values() if len(described["shape"]) == 3)
    decoder = MaskDecoder(width, version=version)
    fill(decoder, fixture.weights(), "fixture")
    decoder.to(device)
    for grid, given in inputs.items():
        image, prompt = sorted((fixture.tensor(one).to(device) for one in given.values()), key=torch.Tensor.dim, reverse=True)
        yield fixture.check(f"{grid}/mask_logits", decoder(image, prompt))


def check_lisa(fixture, device: str) -> Iterator[float]:
    from prsbench.methods.lisa.method import build_visual
    from prsbench.methods.lisa.network import LISA
    from transformers import LlamaConfig

    fixture.keys, inputs = fixture.json["numeric_keys"], fixture.json["inputs"]
    with torch.device("meta"):
        network = LISA(LlamaConfig(vocab_size=32003, num_hidden_layers=1, tie_word_embeddings=False), build_visual()).eval()
    network.load_state_dict(fixture.weights(), strict=False, assign=True)
    for part in (
        network.model.text_hidden_fcs,
        network.model.visual_model.prompt_encoder,
        network.model.visual_model.mask_decoder,
    ):
        part.to(device)
    prompts = network.text_prompts(fixture.tensor(inputs["hidden_states"]).to(device))
    yield fixture.check("text_hidden_fcs", prompts)
    logits, iou = network.masks(fixture.tensor(inputs["image_embeddings"]).to(device), prompts[0, inputs["seg_rows"]])
    yield fixture.check("low_res_logits", logits)
    yield fixture.check("iou", iou)


def check_sam(fixture, device: str) -> Iterator[float]:
    from prsbench.methods.parts.sam.networks import VIT, build_tiny_vit_sam, build_vit_sam, decode
    from prsbench.methods.parts.weights.checkpoints import fill

    inputs = fixture.json["inputs"]
    med2d = "box_xyxy_256" in inputs
    tiny = any(".attention_biases" in key for key in fixture.keys)
    network = build_tiny_vit_sam() if tiny else build_vit_sam(VIT["vit_b"], side_px=256 if med2d else 1024, adapters=med2d)
    fill(network, fixture.weights(), "fixture")
    network.to(device)
    features = network.image_encoder(fixture.tensor(inputs["image"]).to(device))
    yield fixture.check("embedding", features)
    box = torch.tensor(inputs["box_xyxy_256" if med2d else "box_xyxy_1024"])
    logits, iou = decode(network, features, boxes_N4=box, several=True)
    name = "box" if tiny else "box_multi"
    yield fixture.check(f"{name}/low_res_logits", logits)
    yield fixture.check(f"{name}/iou", iou)


@contextmanager
def without_tf32() -> Iterator[None]:
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = False
        yield
    finally:
        for place, allowed in zip(places, before, strict=True):
            place.allow_tf32 = allowed


SECTIONS: dict[str, tuple[Callable[[Setting], Iterator[Figure]], int]] = {  # with their seconds, 480 in all
    "peak": (peak, 10),
    "training": (training_step, 130),
    "spatial": (spatial_step, 50),
    "answers": (answers, 50),
    "prs_med": (prs_med, 60),
    "lisa": (lisa, 75),
    "sam": (sam, 25),
    "amp": (amp_training, 45),
    "parity": (parity_fixtures, 35),
}


class OutOfTime(Exception):
    """A section took longer than its seconds."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise OutOfTime(f"took longer than its {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def free(setting: Setting) -> None:
    gc.collect()
    if setting.on_gpu:
        torch.cuda.empty_cache()


def run(name: str, setting: Setting, seconds: float) -> Section:
    """The section with the figures measured until it ended or failed."""
    section, start = Section(name), time.perf_counter()
    print(f"\n{name}", flush=True)
    try:
        with limited(seconds):
            for figure in SECTIONS[name][0](setting):
                section.figures.append(figure)
                print("  " + "  ".join(filter(None, figure.cells())), flush=True)
    except MissingFixtures as reason:
        print(f"  not run: {reason}")
    except Exception as error:  # noqa: BLE001 - a section may fail in any way; the others go on
        section.error = f"{type(error).__name__}: {error}"
        print("".join(traceback.format_exception(error, limit=-4)), flush=True)
    section.seconds = time.perf_counter() - start
    free(setting)
    return section


def markdown(sections: Sequence[Section], title: str) -> str:
    lines = [f"# {title}", "", "| section | figure | value | target | |", "|---|---|---|---|---|"]
    for section in sections:
        lines += [f"| {' | '.join((section.name, *(cell.strip() for cell in figure.cells())))} |" for figure in section.figures]
        if section.error:
            lines.append(f"| {section.name} | FAILED | {' '.join(section.error.split()).replace('|', '/')[:300]} | | |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", choices=WIDTHS, default="full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--out", type=Path, default=Path("runs/bench-gpu"), help="folder for bench_gpu.json and bench_gpu.md")
    parser.add_argument("--times", type=float, default=1.0, help="factor on the sections' seconds, for slower machines")
    given = parser.parse_args(arguments)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no GPU is visible to torch. Give --device cpu --width small to try the script.")
    setting = Setting(WIDTHS[given.width], given.device)
    device = torch.cuda.get_device_name() if setting.on_gpu else "CPU"
    title = f"{given.width} width on {device}, torch {torch.__version__}"
    sections = [run(name, setting, given.times * SECTIONS[name][1]) for name in given.only]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "bench_gpu.md").write_text(markdown(sections, title))
    described = {"title": title, "sections": [asdict(section) for section in sections]}
    (given.out / "bench_gpu.json").write_text(json.dumps(described, indent=1, allow_nan=False) + "\n")
    print(f"\n{markdown(sections, title)}\nWritten to {given.out}.")
    return int(any(section.error for section in sections))


if __name__ == "__main__":
    sys.exit(main())
