"""Trains the packaged judge and training head of Text2Centroid: `python -m prsbench.methods.text2centroid.pretraining`.

Both learn the centroids of random masks from sentences about them (`grammar_pairs`); no data set, image or wording of a data set
enters. They are trained from different seeds and share no sentence, so that a method is not scored by what it was trained
with. The same machine, seed and versions give the same files; they are shipped next to this module, and
`parts/weights/packaged.py` names their checksums. Half an hour of one core, 2 GB of memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from prsbench.harness.contract.files import file_hash
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.parts.weights.packaged import JUDGE, MINILM, TRAINING_HEAD
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.grammar_pairs import Pair, pairs
from prsbench.methods.text2centroid.model import CentroidHead
from prsbench.methods.text2centroid.token_reader import LAYERS, TokenReader
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

VERSION = "1"
SENTENCES, EPOCHS = 40_000, 5  # of the judge
HEAD_SENTENCES, HEAD_EPOCHS = 16_000, 20
JUDGE_SEED, HEAD_SEED = 11, 12
BATCH = 64
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
_ENCODED = 32  # sentences per pass of MiniLM


def fit(network: nn.Module, inputs: Sequence[Tensor], target_N2: Tensor, epochs: int, seed: int) -> None:
    """AdamW with one cycle of the learning rate on Smooth L1; the network takes a list of these inputs."""
    rng = np.random.default_rng(seed)
    per_epoch = len(target_N2) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * per_epoch, pct_start=0.1)
    for epoch in range(epochs):
        total = 0.0
        for chosen in rng.permutation(len(target_N2))[: per_epoch * BATCH].reshape(-1, BATCH):
            loss = F.smooth_l1_loss(network([inputs[i].float() for i in chosen]), target_N2[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{epochs}: loss {total / per_epoch:.4f}", flush=True)


def encoded(encode: Callable[[Sequence[str]], Iterable[Tensor]], sentences: Sequence[str]) -> list[Tensor]:
    """float16 outputs of MiniLM for each sentence, computed in bfloat16 in batches of about equal length."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    outputs: list[Tensor] = [torch.empty(0)] * len(sentences)
    for start in range(0, len(order), _ENCODED):
        batch = order[start : start + _ENCODED]
        with torch.autocast("cpu", torch.bfloat16):
            states = encode([sentences[i] for i in batch])
        for i, state in zip(batch, states, strict=True):
            outputs[i] = state.to(torch.float16)
        if start % (_ENCODED * 200) == 0:
            print(f"{start} of {len(order)} sentences read", flush=True)
    return outputs


def train_reader(sentences: Sequence[Pair], inputs: Sequence[Tensor], epochs: int, seed: int) -> TokenReader:
    """The judge's network on the token states of these sentences."""
    torch.manual_seed(seed)
    reader = TokenReader()
    fit(reader, inputs, torch.tensor([point for _, point in sentences]), epochs, seed)
    return reader


def train_head(sentences: Sequence[Pair], inputs: Sequence[Tensor], epochs: int, seed: int) -> CentroidHead:
    """The head for CG-Reasoner's spatial loss, on the embeddings of these sentences."""
    torch.manual_seed(seed)
    head = CentroidHead(Text2CentroidConfig().hidden)
    fit(_OnList(head), inputs, torch.tensor([point for _, point in sentences]), epochs, seed)
    return head


class _OnList(nn.Module):
    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, rows: Sequence[Tensor]) -> Tensor:
        return self.head(torch.stack(list(rows)))


def write(network: nn.Module, path: Path, seed: int, sentences: int, epochs: int) -> str:
    """Write the weights in float16 with their recipe; returns the file's sha256, which `parts/weights/packaged.py` names."""
    weights = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in network.state_dict().items()}
    recipe = {"version": VERSION, "seed": seed, "sentences": sentences, "epochs": epochs, "sentence_encoder": MINILM.requirement}
    save_file(weights, path, {name: str(value) for name, value in recipe.items()})
    path.chmod(0o644)  # save_file lets nobody else read it
    return file_hash(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=Path, default=Path(__file__).parent, help="folder of the files (default: this package)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # last digits depend on it
    encoder = sentence_encoder()
    sentences = pairs(np.random.default_rng(JUDGE_SEED), SENTENCES)
    states = encoded(lambda batch: encoder.token_states(batch, LAYERS), [sentence for sentence, _ in sentences])
    reader = train_reader(sentences, states, EPOCHS, JUDGE_SEED)
    print(JUDGE.path, write(reader, options.to / JUDGE.path, JUDGE_SEED, SENTENCES, EPOCHS), flush=True)
    judged = {sentence for sentence, _ in sentences}
    others = [pair for pair in pairs(np.random.default_rng(HEAD_SEED), HEAD_SENTENCES) if pair[0] not in judged]
    embeddings = encoded(lambda batch: list(encoder.embed_batch(batch)), [sentence for sentence, _ in others])
    head = train_head(others, embeddings, HEAD_EPOCHS, HEAD_SEED)
    print(TRAINING_HEAD.path, write(head, options.to / TRAINING_HEAD.path, HEAD_SEED, HEAD_SENTENCES, HEAD_EPOCHS))


if __name__ == "__main__":
    main()
