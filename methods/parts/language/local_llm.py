"""Local judge: any causal language model in a local folder, decoded greedily, one prompt at a time; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from prsbench.methods.parts.weights.checkpoints import model_folder, read_pretrained

MAX_NEW_TOKENS = 4  # a judge replies with one word


class LocalCausalLM:
    """A model from a Hugging Face folder (config, weights, tokenizer), on the CPU. A prompt always gets the same continuation.

    Raises:
        MissingPrerequisite: the folder holds no such model, or its tensors do not match.
    """

    def __init__(self, folder: Path):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model_folder(folder, "Name the folder of a causal language model.")
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with torch.random.fork_rng(devices=[]):  # building the network may consume random numbers
            self._model = read_pretrained(AutoModelForCausalLM, folder, torch.float32)

    @torch.no_grad()
    def complete(self, prompts: Sequence[str]) -> list[str]:
        """The text generated after each prompt."""
        return [self._complete(prompt) for prompt in prompts]

    def _complete(self, prompt: str) -> str:
        inputs = self._tokenizer(prompt, return_tensors="pt")
        length = inputs["input_ids"].shape[1]
        generated = self._model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            do_sample=False,
            max_new_tokens=MAX_NEW_TOKENS,
            pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id or 0,
        )
        return str(self._tokenizer.decode(generated[0, length:], skip_special_tokens=True))
