"""The warm-up before LoRA: the image path learns where foreground is and which words answers have for a layout.

It skips the language model's pass, which takes most of a step. Places are learned by feature alignment, words by the layout token
(`layout_token.LayoutToken`); LoRA training alone would take much longer to learn them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.model import CGReasoner
from prsbench.methods.parts.language.image_tokens import alignment_loss
from prsbench.methods.parts.language.layout_token import words_loss
from prsbench.methods.parts.language.small_llama import layout_of
from prsbench.methods.parts.language.smollm2 import SmallMultimodalLLM
from prsbench.methods.parts.language.text_rows import answer_ids
from prsbench.methods.parts.training import data_parallel
from prsbench.methods.parts.training.images import TrainingImage, read_ahead, training_images
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step
from prsbench.methods.parts.training.lora import adamw
from prsbench.methods.parts.training.schedule import cosine
from prsbench.methods.parts.training.word_augmentation import Axis, mirror_words
from torch import Tensor, nn

WORD_STEPS, WORD_ROWS, WORD_RATE = 500, 64, 3e-3  # ours: takes seconds, as it needs no images or LLM passes
AXES: tuple[tuple[Axis, int], ...] = (("left-right", -1), ("top-bottom", -2))


def warm_up(
    model: CGReasoner,
    config: CGReasonerConfig,
    samples: Sequence[Sample],
    context: FitContext,
    answered: Collection[str] | None = None,
) -> None:
    """Train and freeze the layout token, if there is one; then train encoder and projector for `projector_warmup_steps`.

    answered: ids of the images whose answers are read; None: all. With 0 steps nothing happens and no random numbers are
    consumed. A killed warm-up resumes from its last state; a finished one is restored before a killed training resumes.
    """
    if not config.projector_warmup_steps:
        return
    images = training_images(samples, config.image_size_px)
    model.to(context.device)
    if isinstance(model.llm, SmallMultimodalLLM):
        with_answers = [image for image in images if answered is None or image.image_id in answered]
        _learn_words(model.llm, config, with_answers, _in_subfolder(context, "words"))
        model.llm.gist.requires_grad_(False)  # the language model's first gradients would only undo it
    _learn_places(model, config, images, _in_subfolder(context, "places"))


def _in_subfolder(context: FitContext, name: str) -> FitContext:
    """The context with its own scratch folder, so that each stage of the warm-up has its own state."""
    if context.scratch is None:
        return context
    (context.scratch / name).mkdir(exist_ok=True)
    return replace(context, scratch=context.scratch / name)


def _learn_words(llm: SmallMultimodalLLM, config: CGReasonerConfig, images: Sequence[TrainingImage], context: FitContext) -> None:
    """Train the layout token on masks and answers, mirrored along either axis: images are never upside down, layouts may be."""
    rows = [(image, answer) for image in images for _, answer in image.pairs]
    ids = _ids_of_answers(llm.tokenizer, {answer for _, answer in rows})
    counts = Counter(i for _, answer in rows for i in ids[answer]) + Counter(i for tokens in ids.values() for i in tokens)
    column = {i: n for n, i in enumerate(sorted(counts))}
    share_L = torch.tensor([counts[i] for i in column], device=context.device) / counts.total()
    word_LD = llm.word_embeddings()[list(column)]
    optimizer = torch.optim.AdamW(llm.gist.parameters(), lr=WORD_RATE, weight_decay=config.weight_decay)
    schedule = cosine(optimizer, WORD_STEPS, config.warmup_steps, config.final_learning_rate / WORD_RATE)
    loop = Loop(llm.gist, optimizer, schedule, WORD_STEPS, context, config.gradient_clip)

    def sample_step() -> Step:
        masks, in_answer_BL, ids_of_images = [], torch.zeros(WORD_ROWS, len(column)), []
        for row, number in enumerate(loop.rng.integers(len(rows), size=WORD_ROWS)):
            image, answer = rows[number]
            mask = image.mask_1SS
            for axis, dimension in AXES:
                if loop.rng.random() < 0.5:
                    mask, answer = mask.flip(dimension), mirror_words(answer, axis)
            masks.append(mask)
            in_answer_BL[row, [column[i] for i in ids[answer]]] = 1
            ids_of_images.append(image.image_id)
        mask_B1SS, in_answer_BL = torch.stack(masks).to(context.device).float(), in_answer_BL.to(context.device)

        def terms() -> dict[str, Tensor]:
            return {"words": words_loss(llm.gist(mask_B1SS), word_LD, share_L, in_answer_BL)}

        return Step([MicroBatch(terms, {"words": WORD_ROWS})], ids_of_images)

    loop.run(sample_step, lambda terms: terms["words"])


def _ids_of_answers(tokenizer, answers: set[str]) -> dict[str, list[int]]:
    """The tokens of each answer and of each of its mirror images."""
    for axis, _ in AXES:
        answers = answers | {mirror_words(answer, axis) for answer in answers}
    return {answer: sorted(set(answer_ids(tokenizer, answer))) for answer in sorted(answers)}


def _learn_places(model: CGReasoner, config: CGReasonerConfig, images: Sequence[TrainingImage], context: FitContext) -> None:
    """Train encoder and projector to predict how much of each place is foreground."""
    steps, size = config.projector_warmup_steps, config.batch_size * data_parallel.workers()
    projector = model.llm.get_submodule("projector")
    image_path = nn.ModuleDict({"encoder": model.encoder, "projector": projector})
    rates = {"encoder.backbone.": config.backbone.learning_rate, "new": config.learning_rate}
    optimizer = adamw(image_path, rates, config.weight_decay, config.adam_eps)
    schedule = cosine(optimizer, steps, config.warmup_steps, config.final_learning_rate / config.learning_rate)
    balanced = [image.modality for image in images] if config.balance_modalities else ()
    loop = Loop(image_path, optimizer, schedule, steps, context, config.gradient_clip, modalities=balanced)

    def sample_step() -> Step:
        chosen = [images[i] for i in loop.numbers(len(images), size)]
        read_ahead(images[i] for i in loop.soon)
        flips = loop.rng.random(len(chosen)) < config.augmentation.horizontal_flip
        share = data_parallel.share(chosen)
        image, mask, layout = _batch(chosen[share], flips[share], config.language.layout_side, context.device)

        def terms() -> dict[str, Tensor]:
            return {"alignment": alignment_loss(projector(model.encoder(image)), layout, mask)}

        return Step([MicroBatch(terms, {"alignment": len(image)})], [one.image_id for one in chosen])

    loop.run(sample_step, lambda terms: terms["alignment"])


def _batch(chosen: Sequence[TrainingImage], flips: np.ndarray, layout_side: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Images in [0, 1], masks and layouts; those marked in `flips` are mirrored left to right."""
    pairs = [
        (one.image_3SS.flip(-1), one.mask_1SS.flip(-1)) if flip else (one.image_3SS, one.mask_1SS)
        for one, flip in zip(chosen, flips, strict=True)
    ]
    image, mask = (torch.stack(tensors).to(device).float() for tensors in zip(*pairs, strict=True))
    layouts = [torch.from_numpy(layout_of(mask_1SS[0].numpy(), layout_side)) for _, mask_1SS in pairs]
    return image / 255, mask, torch.stack(layouts).to(device)
