"""Small Llama: the language model of the embedded sizes, which has read questions and answers, and no image.

It stands in for the pre-trained LLM of the papers (LLaVA-Med v1.5, Mistral-7B): trained once on text only, then frozen, adapted
by LoRA and shared by the methods with a language model. A large LLM can already reason about positions; this one learns it from
layouts in text: a mask as N = side x side characters of four levels before the question, with separate characters for every
place; a token of the prompt is the sum of neighbouring characters.

The packaged weights come from `pretraining`: a grammar's sentences about random masks, of no data set. `fit` trains others, on
the questions, answers and masks of a run's train split.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.image_tokens import layout_tokens
from prsbench.methods.parts.language.shared_prefix import SharedPrefixDecoder
from prsbench.methods.parts.language.text_rows import ANSWER, BEGIN, END, PAD, TextRows, answer_ids, question_ids
from prsbench.methods.parts.training.augmentation import AugmentationRange, Scene, scenes
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step
from prsbench.methods.parts.training.lora import is_lora
from prsbench.methods.parts.training.word_augmentation import drop_words
from prsbench.methods.parts.weights.checkpoints import fill, read_pretrained
from prsbench.methods.parts.weights.packaged import SMALL_LLAMA, shipped
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 4  # foreground share of a place: none, up to 1/3, up to 2/3, more
SIZES = ("layout_side", "token_side", "vocabulary", "width", "layers", "heads", "feed_forward")  # keys that shape the tensors
CHARACTERS = "characters.safetensors"
Row = tuple[np.ndarray, str, str]  # layout, question, answer


class SmallLlama:
    """After `fit` or `load`: `.tokenizer`, `.model` (a LlamaForCausalLM), `.character_NKD` (embeddings of layout characters)."""

    def __init__(self, config: SmallLlamaConfig):
        self.config = config
        self.token_side = config.token_side
        self.character_NKD = torch.zeros(config.layout_side**2, LEVELS, config.width)

    @classmethod
    def of(cls, config: SmallLlamaConfig, folder: Path | None, device: str) -> SmallLlama:
        """With the weights that `save` wrote to the folder, or with the packaged ones if it is None.

        Raises:
            PrsbenchError: the packaged file is missing or altered, or the config describes another shape.
        """
        language = cls(config)
        if folder is not None:
            language.load(folder, device)
        else:
            language.read(shipped(SMALL_LLAMA, "`language: {weights: retrain}`"), device)
        return language

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:  # noqa: ARG002 (the protocol's)
        """Train to answer: the model reads `layout question <answer>` and predicts the answer.

        Layouts are mirrored along either axis, moved and scaled. Images are never mirrored top to bottom, but layouts may be, and
        without augmentation the model would memorise the few masks.
        """
        torch.manual_seed(context.seed)
        pool = scenes(train)
        texts = sorted({text for scene in pool for pair in scene.pairs for text in pair})
        self.tokenizer = train_tokenizer(texts, self.config.vocabulary)
        self.model = build_llama(self.config, self.tokenizer).to(context.device).train()
        characters = Characters(self.config).to(context.device)
        network = nn.ModuleList([self.model, characters])
        rate, steps = self.config.learning_rate, self.config.steps
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
        loop = Loop(network, optimizer, schedule, steps, context, gradient_clip=1.0)

        def next_step() -> Step:
            chosen = [pool[i] for i in loop.rng.integers(len(pool), size=self.config.batch_size)]
            rows = [self._row(scene, loop.rng) for scene in chosen]
            batch = MicroBatch(lambda: {"text": self._text_loss(rows, characters())}, {})
            return Step([batch], [scene.image_id for scene in chosen])

        loop.run(next_step, lambda terms: terms["text"])
        self.character_NKD = characters().detach()

    def _row(self, scene: Scene, rng: np.random.Generator) -> Row:
        view, mask_HW = scene.sample_view(AugmentationRange(0.5, 0.5, self.config.shift, self.config.zoom), rng)
        [(question, answer)] = scene.pairs_in(view, mask_HW, [int(rng.integers(len(scene.pairs)))])
        return layout_of(mask_HW, self.config.layout_side), drop_words(question, self.config.word_dropout, rng), answer

    def _text_loss(self, rows: Sequence[Row], character_NKD: Tensor) -> Tensor:
        embed, device = self.model.get_input_embeddings(), character_NKD.device
        layout_BN = torch.from_numpy(np.stack([levels.ravel() for levels, _, _ in rows])).to(device)
        layout_BTD = layout_tokens(F.one_hot(layout_BN, LEVELS).float(), character_NKD, self.token_side)
        pairs = [(question_ids(self.tokenizer, q), answer_ids(self.tokenizer, a)) for _, q, a in rows]
        text = TextRows.of(pairs, self.tokenizer.pad_token_id, device)
        own_B = torch.arange(len(rows), device=device)  # each row has its own layout
        states_BTD = SharedPrefixDecoder(self.model.model).read(layout_BTD, embed(text.ids_BT), text.is_text_BT, own_B)
        return text.answers_loss(states_BTD, self.model.lm_head)[0]

    def write(self, file: Path, recipe: Mapping[str, object]) -> None:
        """Write tokenizer, config, weights (rounded to half precision) and how they were made as one file."""
        state = {name: tensor for name, tensor in self.model.state_dict().items() if name != "lm_head.weight"}  # tied
        tensors = {n: t.half().cpu().contiguous() for n, t in {**state, "character_NKD": self.character_NKD}.items()}
        sizes = {key: getattr(self.config, key) for key in SIZES}
        texts = {
            "config": json.dumps(sizes),
            "tokenizer": self.tokenizer.backend_tokenizer.to_str(),
            "recipe": json.dumps(recipe),
        }
        save_file(tensors, file, texts)

    def read(self, file: Path, device: str) -> dict[str, Any]:
        """Read what `write` wrote, as float32; returns the recipe.

        Raises:
            PrsbenchError: the file holds a model of another shape than the config's, or tensors are missing or unknown.
        """
        with safe_open(file, "pt") as opened:
            texts, tensors = opened.metadata(), {name: opened.get_tensor(name).float() for name in opened.keys()}  # noqa: SIM118
        sizes = json.loads(texts["config"])
        if different := [key for key in SIZES if sizes[key] != getattr(self.config, key)]:
            here = ", ".join(f"{key} {getattr(self.config, key)} (the file: {sizes[key]})" for key in different)
            what = f"{file.name}: another shape than the config's: {here}"
            raise PrsbenchError(f"{what}. Leave these keys out, or set `language: {{weights: retrain}}`.")
        from tokenizers import Tokenizer

        self.tokenizer = _fast(Tokenizer.from_str(texts["tokenizer"]))
        self.character_NKD = tensors.pop("character_NKD").to(device)
        self.model = build_llama(self.config, self.tokenizer)
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
        fill(self.model, tensors, file.name)
        self.model.to(device)
        return json.loads(texts["recipe"])

    def save(self, folder: Path) -> None:
        """Save in transformers' format, without the LoRA that a method may have added."""
        state = {n.replace(".base_layer", ""): t for n, t in self.model.state_dict().items() if not is_lora(n)}
        self.model.save_pretrained(folder, state_dict=state)
        self.tokenizer.save_pretrained(folder)
        save_file({"character_NKD": self.character_NKD.cpu().contiguous()}, folder / CHARACTERS)

    def load(self, folder: Path, device: str) -> None:
        from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = read_pretrained(LlamaForCausalLM, folder, torch.float32).to(device)
        self.character_NKD = load_file(folder / CHARACTERS)["character_NKD"].to(device)

    def save_shape(self, folder: Path) -> None:
        """Tokenizer and model config without weights, for a checkpoint that holds the base's tensors among its own."""
        self.model.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def load_shape(self, folder: Path) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = LlamaForCausalLM(LlamaConfig.from_pretrained(folder))


class Characters(nn.Module):
    """Embeddings of the layout characters (N, K, D) in training: each the sum of its row's, its column's and its own.

    Places that share a row or a column learn from one another, so fewer layouts suffice.
    """

    def __init__(self, config: SmallLlamaConfig):
        super().__init__()
        side, width = config.layout_side, config.width
        self.row_RKD, self.column_RKD = (nn.Parameter(0.05 * torch.randn(side, LEVELS, width)) for _ in range(2))
        self.own_RRKD = nn.Parameter(torch.zeros(side, side, LEVELS, width))

    def forward(self) -> Tensor:
        return (self.row_RKD[:, None] + self.column_RKD + self.own_RRKD).flatten(0, 1)


def layout_of(mask: np.ndarray, side: int) -> np.ndarray:
    """(H, W) bool to (side, side) int64 levels 0..3 of foreground per place; 0 only where a place holds none."""
    pooled = F.adaptive_avg_pool2d(torch.from_numpy(mask)[None, None].float(), side)[0, 0]
    return torch.ceil(pooled * 3).long().numpy()


def train_tokenizer(texts: Sequence[str], vocabulary: int) -> Any:
    """Byte-level BPE: words unseen in training are split into bytes, so there is no unknown token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END, ANSWER],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _fast(tokenizer)


def _fast(tokenizer: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BEGIN, eos_token=END, additional_special_tokens=[ANSWER]
    )


def build_llama(config: SmallLlamaConfig, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            intermediate_size=config.feed_forward,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
