"""The warm-up before LoRA: the image path learns what stands where, and what is said of it, without the language model's pass.

That pass is most of a step. What it would have to learn first, at great length, is where foreground is (feature alignment) and
which words answers have for a layout (`causal_base.Gist`).
"""

# I images, B rows, L words of the answers, D language width

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods import data_parallel
from prsbench.methods.causal_base import CausalLLM, words_loss
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import CGReasoner
from prsbench.methods.language_base import answer_ids, draw
from prsbench.methods.multimodal_llm import alignment_loss
from prsbench.methods.training_images import TrainingImage, cosine, training_images
from prsbench.methods.training_loop import Loop, Part, Step
from prsbench.methods.wording import Axis, mirror_words
from torch import Tensor, nn

WORD_STEPS, WORD_ROWS, WORD_RATE = 500, 64, 3e-3  # ours: seconds, no image and no language model take part
AXES: tuple[tuple[Axis, int], ...] = (("left-right", -1), ("top-bottom", -2))


def warm_up(model: CGReasoner, config: CGReasonerConfig, samples: Sequence[Sample], context: FitContext) -> None:
    """The gist learns words, if there is one, and is frozen; then `projector_warmup_steps` of images for encoder and projector.

    With 0 steps nothing happens, no chance is drawn. A killed warm-up goes on where its last state was; so does one that was
    done, before a killed training goes on.
    """
    if not config.projector_warmup_steps:
        return
    images = training_images(samples, config.image_size_px)
    model.to(context.device)
    if isinstance(model.llm, CausalLLM):
        _learn_words(model.llm, config, images, _beside(context, "words"))
        model.llm.gist.requires_grad_(False)  # the language model's first guesses would only unteach it
    _learn_places(model, config, images, _beside(context, "places"))


def _beside(context: FitContext, name: str) -> FitContext:
    """With a state of its own."""
    if context.scratch is None:
        return context
    (context.scratch / name).mkdir(exist_ok=True)
    return replace(context, scratch=context.scratch / name)


def _learn_words(llm: CausalLLM, config: CGReasonerConfig, images: Sequence[TrainingImage], context: FitContext) -> None:
    """From masks and answers, mirrored along either axis: upside down no image is ever shown, but a mask is only a layout."""
    rows = [(image.mask_1SS, answer, image.image_id) for image in images for _, answer in image.pairs]
    ids = _ids_of_answers(llm.tokenizer, {answer for _, answer, _ in rows})
    counts = Counter(i for _, answer, _ in rows for i in ids[answer]) + Counter(i for some in ids.values() for i in some)
    column = {i: n for n, i in enumerate(sorted(counts))}
    share_L = torch.tensor([counts[i] for i in column], device=context.device) / counts.total()
    word_LD = llm.word_embeddings()[list(column)]
    optimizer = torch.optim.AdamW(llm.gist.parameters(), lr=WORD_RATE, weight_decay=config.weight_decay)
    schedule = cosine(optimizer, WORD_STEPS, config.warmup_steps, config.final_learning_rate / WORD_RATE)
    loop = Loop(llm.gist, optimizer, schedule, WORD_STEPS, context, config.gradient_clip)

    def draw_step() -> Step:
        masks, said_BL, shown = [], torch.zeros(WORD_ROWS, len(column)), []
        for row, number in enumerate(loop.chance.integers(len(rows), size=WORD_ROWS)):
            mask, answer, name = rows[number]
            for axis, dimension in AXES:
                if loop.chance.random() < 0.5:
                    mask, answer = mask.flip(dimension), mirror_words(answer, axis)
            masks.append(mask)
            said_BL[row, [column[i] for i in ids[answer]]] = 1
            shown.append(name)
        mask_B1SS, said_BL = torch.stack(masks).to(context.device).float(), said_BL.to(context.device)

        def terms() -> dict[str, Tensor]:
            return {"words": words_loss(llm.gist(mask_B1SS), word_LD, share_L, said_BL)}

        return Step([Part(terms, {"words": WORD_ROWS})], shown)

    loop.run(draw_step, lambda terms: terms["words"])


def _ids_of_answers(tokenizer, answers: set[str]) -> dict[str, list[int]]:
    """The tokens of each answer and of each of its mirror images."""
    for axis, _ in AXES:
        answers = answers | {mirror_words(answer, axis) for answer in answers}
    return {answer: sorted(set(answer_ids(tokenizer, answer))) for answer in sorted(answers)}


def _learn_places(model: CGReasoner, config: CGReasonerConfig, images: Sequence[TrainingImage], context: FitContext) -> None:
    """Encoder and projector say of each place how much of it is foreground."""
    steps, size = config.projector_warmup_steps, config.batch_size * data_parallel.workers()
    seeing = nn.ModuleDict({"encoder": model.encoder, "projector": model.llm.projector})
    backbone = [p for p in model.encoder.backbone.parameters() if p.requires_grad]
    own = {id(p) for p in backbone}
    new = [p for p in seeing.parameters() if p.requires_grad and id(p) not in own]
    groups = [{"params": backbone, "lr": config.backbone_learning_rate}, {"params": new, "lr": config.learning_rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, eps=config.adam_eps)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    loop = Loop(seeing, optimizer, schedule, steps, context, config.gradient_clip)

    def draw_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        flips = loop.chance.random(len(chosen)) < config.horizontal_flip
        mine = data_parallel.share(chosen)
        image, mask, drawing = _batch(chosen[mine], flips[mine], config.language.drawing_side, context.device)

        def terms() -> dict[str, Tensor]:
            return {"alignment": alignment_loss(model.llm.projector(model.encoder(image)).reading, drawing, mask)}

        return Step([Part(terms, {"alignment": len(image)})], [one.image_id for one in chosen])

    loop.run(draw_step, lambda terms: terms["alignment"])


def _batch(chosen: Sequence[TrainingImage], flips: np.ndarray, drawing_side: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Images in [0, 1], masks and drawings, some flipped left to right."""
    turned = [
        (one.image_3SS.flip(-1), one.mask_1SS.flip(-1)) if flip else (one.image_3SS, one.mask_1SS)
        for one, flip in zip(chosen, flips, strict=True)
    ]
    image, mask = (torch.stack(part).to(device).float() for part in zip(*turned, strict=True))
    drawings = [torch.from_numpy(draw(one[0].numpy(), drawing_side)) for _, one in turned]
    return image / 255, mask, torch.stack(drawings).to(device)
