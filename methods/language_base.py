"""The embedded language model's base: a small Llama that knows the language of questions and answers, and nothing of images.

It stands in for the pre-trained LLM of the papers (LLaVA-Med v1.5, Mistral-7B): trained once on text only, then frozen and
adapted by LoRA. Shared by every method with a language model.
"""

# B batch, T tokens

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from prsbench.harness.contract.types import FitContext, Sample
from prsbench.methods.parts import LanguageBaseConfig
from torch import Tensor

PAD, BEGIN, END, ANSWER = "<pad>", "<s>", "</s>", "<answer>"


class LanguageBase:
    """Tokenizer and base language model. After `fit` or `load`: `.tokenizer`, `.model` (transformers' LlamaForCausalLM)."""

    def __init__(self, config: LanguageBaseConfig):
        self.config = config

    def fit(self, train: Sequence[Sample], val: Sequence[Sample], context: FitContext) -> None:
        """Next-token training on `question <answer> answer` of the train split, in its own wording, without any image."""
        torch.manual_seed(context.seed)
        pairs = sorted({(s.query.question, s.truth.answer) for s in train})
        self.tokenizer = _train_tokenizer([text for pair in pairs for text in pair], self.config.vocabulary)
        self.model = _build(self.config, self.tokenizer).to(context.device).train()
        encoded = [question_ids(self.tokenizer, q) + answer_ids(self.tokenizer, a) for q, a in pairs]
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=self.config.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.learning_rate, self.config.steps)
        draw = random.Random(context.seed)
        for step in range(self.config.steps):
            ids_BT, mask_BT = pad_right(
                [draw.choice(encoded) for _ in range(self.config.batch_size)], self.tokenizer.pad_token_id
            )
            ids_BT, mask_BT = ids_BT.to(context.device), mask_BT.to(context.device)
            labels_BT = ids_BT.masked_fill(~mask_BT, -100)
            loss = self.model(input_ids=ids_BT, attention_mask=mask_BT, labels=labels_BT).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            context.progress(step + 1, self.config.steps, f"text CE {loss.item():.3f}")

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def save_shape(self, folder: Path) -> None:
        """Tokenizer and model config without weights, for a checkpoint that holds the base's tensors among its own."""
        self.model.config.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def load_shape(self, folder: Path) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = LlamaForCausalLM(LlamaConfig.from_pretrained(folder))

    def load(self, folder: Path, device: str) -> None:
        from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

        self.tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device)


def question_ids(tokenizer, question: str) -> list[int]:
    """`<s> question <answer>`: all that exists at test time."""
    return [
        tokenizer.bos_token_id,
        *tokenizer.encode(question, add_special_tokens=False),
        tokenizer.convert_tokens_to_ids(ANSWER),
    ]


def answer_ids(tokenizer, answer: str) -> list[int]:
    return [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id]


def pad_right(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """(B, T) token ids and the (B, T) bool mask of real tokens."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])
    return ids, torch.arange(longest)[None] < torch.tensor([len(row) for row in rows])[:, None]


def _train_tokenizer(texts: Sequence[str], vocabulary: int):
    """Byte-level BPE: unseen wording at test time is spelled, never unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

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
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BEGIN, eos_token=END, additional_special_tokens=[ANSWER]
    )


def _build(config: LanguageBaseConfig, tokenizer):
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
