"""CG-Reasoner's step and answer compared with the schedule of the public code, on the same network and batch. `make bench-train`.

The public schedule, as its code runs it: the language model goes over each row twice a step, once for the loss with logits at
every token and once for the states that prompt the mask; padding enters the prompt; the mask is shrunk to the features' size.
At test it generates, then reads question and answer again in full; LoRA is not merged. It has transformers' own pass, maps in the
standard memory format, and keeps whatever the backward pass needs. Times are CPU seconds, the best of several runs in turn;
ratios are what counts.

With several questions an image our step asks each mask by the first of them, as a training does: 8 masks where the public
schedule's three steps have 24.

Encoder and decoder run once a step in either schedule, so a step's ratio grows with the language model's share, which is printed.
At the paper's size it is about 0.96 by FLOPs: 7.2 + 0.3 billion parameters read some 640 and 577 tokens, forward and backward
through frozen weights, where the encoder at 1024 px and the decoder take 0.12 TMAC forward, and twice that backward.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner import decoder, training
from prsbench.methods.cg_reasoner.bridge import HiddenBridge
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import Batch, CGReasoner, build, weighted_sum
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.sentence_bert import WIDTH
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.language.text_rows import answer_ids, pad_right
from prsbench.methods.parts.training.losses import dice_and_bce
from prsbench.methods.parts.weights.timm_backbone import build_backbone
from prsbench.methods.text2centroid.model import CentroidHead
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

LAYERS = 8, 24  # of the language model: about two thirds of our step, and four fifths
IMAGES, QUESTIONS, RUNS, ANSWER_TOKENS = 8, 3, 3, 16


def main() -> None:
    torch.set_num_threads(1)
    for layers in LAYERS:
        compare(layers)
    share_of_matmul()


def compare(layers: int) -> None:
    language = SmallLlamaConfig(weights="retrain", width=512, layers=layers, heads=8, feed_forward=1408, steps=1, batch_size=2)
    config = CGReasonerConfig(language=language, bridge="none", lora={"dropout": 0.0}, questions_per_image=QUESTIONS,
                              answer_tokens=ANSWER_TOKENS)  # fmt: skip
    model, together, (batch, *_) = network_and_batches(config)
    ours = partial(our_loss, config)
    steps = (ours, together), (ours, batch), (with_bridge(config), batch), (public_loss, batch), (language_loss, batch)
    three_s, one_s, bridge_s, public_s, language_s = in_turn(*(partial(step, model, rows, loss) for loss, rows in steps))
    print(f"\nLanguage model of {layers} layers, {language_s / one_s:.2f} of our step of one question an image")
    print_ratio("step", (three_s, one_s), public_s, 2.0)
    print(
        f"  with the hidden T2C bridge, which the public code lacks: {bridge_s:.2f} s for one question, "
        f"{bridge_s / one_s:.2f} x without"
    )
    model.eval()
    answers = (our_answer, together), (our_answer, batch), (public_answer, batch)
    three_s, one_s, public_s = in_turn(*(partial(answer, model, rows) for answer, rows in answers))
    print_ratio("answers", (three_s, one_s), public_s, 1.7)
    model.train()
    kept = [kept_for_backward(model, batch, loss) / 2**20 for loss in (ours, public_loss)]
    print(f"  kept for the gradient: ours {kept[0]:.0f} MiB, public {kept[1]:.0f} MiB, {kept[0] / kept[1]:.2f} x (target 0.7)")


def print_ratio(what: str, ours_s: Sequence[float], public_s: float, target: float) -> None:
    """The public schedule takes a step for every question of an image, ours one for all."""
    for questions, our_s in zip((QUESTIONS, 1), ours_s, strict=True):
        theirs_s = questions * public_s
        print(f"  {what}, {questions} x {IMAGES} rows about {IMAGES} images: ours {our_s:.2f} s, public {theirs_s:.2f} s, "
              f"{theirs_s / our_s:.2f} x (target {target})")  # fmt: skip


def network_and_batches(config: CGReasonerConfig) -> tuple[CGReasoner, Batch, list[Batch]]:
    """The network, a batch of all questions about each image, and batches of one each. Noise will do: only sizes matter."""
    sys.path.insert(0, str(Path(__file__).parent))
    from conftest import disc_sample

    discs: list[Sample] = [disc_sample(n) for n in range(IMAGES)]
    asked = [(disc, f"{disc.sample_id}{k}") for disc in discs for k in range(QUESTIONS)]
    samples = [replace(disc, query=replace(disc.query, sample_id=name)) for disc, name in asked]
    torch.manual_seed(0)
    base = SmallLlama(config.language)
    with tempfile.TemporaryDirectory() as folder:
        base.fit(samples, (), FitContext(0, "cpu"))
        base.save(Path(folder))
        base.load(Path(folder), "cpu")
    model, _ = build(config, base, None)
    images = training.prepare(samples, config.image_size_px)
    shown = training.augment(images, config, np.random.default_rng(0))
    apart = [[replace(one, pairs=one.pairs[k : k + 1]) for one in shown] for k in range(QUESTIONS)]
    together, *batches = (
        training.collate(some, config.language.layout_side, "cpu", with_reference=False) for some in (shown, *apart)
    )
    return model.train(), together, batches


def our_loss(config: CGReasonerConfig, model: CGReasoner, batch: Batch) -> Tensor:
    return weighted_sum(model.losses(batch), config)


def with_bridge(config: CGReasonerConfig) -> Callable[[CGReasoner, Batch], Tensor]:
    """Our step with the hidden bridge, whose loss goes back through the language model by itself to end at LoRA."""
    config = config.model_copy(update={"bridge": "hidden"})
    bridge = HiddenBridge(config.language.width, CentroidHead(config.text2centroid.hidden))

    def loss(model: CGReasoner, batch: Batch) -> Tensor:
        reference_RE = F.normalize(torch.ones(len(batch.answers), WIDTH), dim=1)  # of Sentence-BERT, cached on disk in a training
        with mock.patch.object(model, "bridge", bridge):
            return our_loss(config, model, replace(batch, reference_RE=reference_RE))

    return loss


def language_loss(model: CGReasoner, batch: Batch) -> Tensor:
    """Of our step only what the language model does, on features that take a gradient. Noise will do."""
    side = batch.image_B3SS.shape[-1] // 4
    features = torch.rand(len(batch.image_B3SS), model.decoder.ds1.pw.in_channels, side, side, requires_grad=True)
    return model.llm.teacher_forced(features, batch.row_image_R, batch.questions, batch.answers).text_loss


def public_loss(model: CGReasoner, batch: Batch) -> Tensor:
    features = model.encoder(batch.image_B3SS)
    read, ids_BT, is_answer_BT = _reader(model, _seen(model, features, batch), batch.questions, batch.answers)
    logits = model.llm._head(read()[:, :-1])
    labels = ids_BT[:, 1:].masked_fill(~is_answer_BT[:, 1:], -100)
    text = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
    with mock.patch.object(decoder, "recomputed", lambda work, *given: work(*given)):  # keeps what it computes
        return text + dice_and_bce(_public_mask(model, features, read(), batch).float(), batch.mask_B1SS)


@torch.no_grad()
def our_answer(model: CGReasoner, batch: Batch) -> None:
    model.answer(batch.image_B3SS, batch.row_image_R, batch.questions)


@torch.no_grad()
def public_answer(model: CGReasoner, batch: Batch) -> None:
    features = model.encoder(batch.image_B3SS)
    seen = _seen(model, features, batch)
    read, _, _ = _reader(model, seen, batch.questions, _public_generate(model, seen, batch.questions))
    _public_mask(model, features, read(), batch)


def _seen(model: CGReasoner, features: Tensor, batch: Batch) -> Tensor:
    """What the language model reads an image from."""
    return batch.image_B3SS if model.llm.reads_pixels else features


def _public_generate(model: CGReasoner, seen: Tensor, questions) -> list[str]:
    """transformers' greedy generation with its cache, LoRA not merged into the weights; padding on the left."""
    llm = model.llm
    image_BND, ids = llm._image_tokens(seen).token_BND, [llm._question_ids(q) for q in questions]
    longest = max(map(len, ids))
    rows = [torch.cat([image.new_zeros(longest - len(row), llm.width), image, llm._embed(torch.tensor(row, device=seen.device))])
            for image, row in zip(image_BND, ids, strict=True)]  # fmt: skip
    there = torch.arange(len(rows[0]))[None] >= torch.tensor([[longest - len(row)] for row in ids])
    said = llm.language.generate(
        inputs_embeds=torch.stack(rows), attention_mask=there.long().to(seen.device),
        max_new_tokens=model._config.answer_tokens, do_sample=False,
        pad_token_id=llm.tokenizer.pad_token_id, eos_token_id=llm.tokenizer.eos_token_id,
    )  # fmt: skip
    return [a.strip() for a in llm.tokenizer.batch_decode(said, skip_special_tokens=True)]


def _reader(model: CGReasoner, seen: Tensor, questions, answers) -> tuple[Callable[[], Tensor], Tensor, Tensor]:
    """A full pass over image, question and answer, to be made as often as asked; the ids, and which are the answer's."""
    llm = model.llm
    pairs = [(llm._question_ids(q), answer_ids(llm.tokenizer, a)) for q, a in zip(questions, answers, strict=True)]
    ids_BT, is_text_BT = (t.to(seen.device) for t in pad_right([q + a for q, a in pairs], llm.tokenizer.pad_token_id))
    asked = torch.tensor([[len(q)] for q, _ in pairs], device=seen.device)

    def read() -> Tensor:
        image_BND = llm._image_tokens(seen).token_BND
        embedded = torch.cat([image_BND, llm._embed(ids_BT)], dim=1)
        attention = torch.cat([is_text_BT.new_ones(image_BND.shape[:2]), is_text_BT], dim=1)
        return llm._decoder(inputs_embeds=embedded, attention_mask=attention.long(), use_cache=False).last_hidden_state[
            :, image_BND.shape[1] :
        ]

    return read, ids_BT, is_text_BT & (torch.arange(ids_BT.shape[1], device=seen.device) >= asked)


def _public_mask(model: CGReasoner, features: Tensor, states: Tensor, batch: Batch) -> Tensor:
    small = F.interpolate(model.decoder(features, states.float()), size=features.shape[-2:], mode="bilinear", align_corners=False)
    return F.interpolate(small, size=batch.image_B3SS.shape[-2:], mode="bilinear", align_corners=False)


def step(model: CGReasoner, batch: Batch, loss: Callable[[CGReasoner, Batch], Tensor]) -> None:
    model.zero_grad(set_to_none=True)
    loss(model, batch).backward()


def kept_for_backward(model: CGReasoner, batch: Batch, loss: Callable[[CGReasoner, Batch], Tensor]) -> int:
    """Bytes of activations alive when the backward pass begins: what decides a step's peak, as weights are the same for all."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = loss(model, batch)
    assert alive.requires_grad  # held until here, so that no address was used twice
    return sum(size for place, size in kept.items() if place not in weights)


def share_of_matmul(images: int = 4, side_px: int = 224, size: int = 1024) -> None:
    """ConvNeXt-Tiny forward and backward against one large matrix product, both with one thread."""
    backbone = build_backbone("convnext_tiny", (1, 2, 3), None)[0].train()
    image, square = torch.rand(images, 3, side_px, side_px), torch.rand(size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:  # its count of a grouped convolution's backward is too high
        backbone(image)
    flops = 3 * counter.get_total_flops()

    def forward_and_backward() -> None:
        backbone.zero_grad(set_to_none=True)
        torch.stack([stage.mean() for stage in backbone(image)]).sum().backward()

    train_s, matmul_s = in_turn(forward_and_backward, lambda: square @ square)
    ours, peak = flops / train_s, 2 * size**3 / matmul_s
    print(f"ConvNeXt-Tiny at {side_px} px: {ours / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s, {ours / peak:.2f} (target 0.5)")


def in_turn(*works: Callable[[], object]) -> list[float]:
    """The least CPU seconds of each, one after another so that a busy machine is busy for all."""
    for work in works:
        work()
    return [min(times) for times in zip(*([cpu_seconds(work) for work in works] for _ in range(RUNS)), strict=True)]


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
