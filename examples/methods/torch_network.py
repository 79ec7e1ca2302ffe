"""A torch network as a row: images in, masks out; the sentence is a template about the row's own mask.

Test it:      prsbench test-method examples/methods/torch_network.py:TorchNetwork
Compare it:   put examples/methods/torch_network.py:TorchNetwork under `methods:` of a grid.
"""

import time

import numpy as np
import torch
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Labels, Prediction, TextSource, Weights
from prsbench.methods.answers import answer_from_mask
from torch import nn
from torch.nn import functional


class TorchNetworkConfig(MethodConfig):
    """A grid sets these: `- examples/methods/torch_network.py:TorchNetwork: {epochs: 20}`."""

    side_px: int = 64  # images are resized to a square of this side
    width: int = 16  # channels
    epochs: int = 5
    batch_size: int = 8
    learning_rate: float = 3e-3


class TorchNetwork:
    def __init__(self, config: TorchNetworkConfig):
        self.config = config
        self.device = "cpu"

    @property
    def labels(self):
        return Labels(self.config.prompt_source, Weights.TRAINED_HERE, TextSource.OWN_MASK)

    def fit(self, train, val, context):
        self._build(context.device)  # prsbench has seeded torch, NumPy and random with the row's seed
        order = np.random.default_rng(context.seed)
        optimizer = torch.optim.AdamW(self.network.parameters(), self.config.learning_rate)
        steps = self.config.epochs * -(-len(train) // self.config.batch_size)
        step = 0
        for _ in range(self.config.epochs):
            numbers = order.permutation(len(train))
            for first in range(0, len(numbers), self.config.batch_size):
                batch = [train[int(i)] for i in numbers[first : first + self.config.batch_size]]
                images = self._images([sample.query.image for sample in batch])
                masks = torch.stack([self._resized(torch.from_numpy(sample.truth.mask[None]).float()) for sample in batch])
                loss = functional.binary_cross_entropy_with_logits(self.network(images), masks.to(self.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                context.progress(step, steps, f"loss {loss.item():.3f}")
        self.network.eval()

    @torch.inference_mode()
    def predict(self, queries):
        predictions = []
        for query in queries:  # one by one: a mask never depends on the others in its batch
            start = time.perf_counter()
            logits = self.network(self._images([query.image]))
            native = functional.interpolate(logits, query.image.shape[:2], mode="bilinear")
            probability = native[0, 0].sigmoid().float().cpu().numpy()
            answer = answer_from_mask(probability, query.modality)
            predictions.append(Prediction(probability, answer, time.perf_counter() - start))
        return predictions

    def save(self, folder):
        torch.save(self.network.state_dict(), folder / "network.pt")

    def load(self, folder, device):
        self._build(device)
        self.network.load_state_dict(torch.load(folder / "network.pt", map_location=device, weights_only=True))
        self.network.eval()

    def _build(self, device):
        width, self.device = self.config.width, device
        self.network = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 5, padding=4, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, 5, padding=8, dilation=4),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        ).to(device)

    def _images(self, images):
        """(N, 3, side, side) float32 in [0, 1] on the device, of N images (H, W, 3) uint8 of any size."""
        return torch.stack([self._resized(torch.tensor(image).permute(2, 0, 1) / 255) for image in images]).to(self.device)

    def _resized(self, channels):
        side = self.config.side_px
        return functional.interpolate(channels[None], (side, side), mode="bilinear", antialias=True)[0]
