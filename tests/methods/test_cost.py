import numpy as np
import pytest
import torch
from prsbench.harness.contract.types import Prediction, Query
from prsbench.methods.cost import measure
from torch import nn


class Convolving:
    """One 3x3 convolution, 3 to 4 channels, and a frozen linear layer that two attributes share."""

    def __init__(self):
        self.network = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.frozen = nn.Linear(5, 7).requires_grad_(False)
        self.again = self.frozen

    @torch.no_grad()
    def predict(self, queries):
        for query in queries:
            self.network(torch.from_numpy(query.image).permute(2, 0, 1)[None].float())
        return [Prediction(np.zeros(q.image.shape[:2], np.float32), "", 0.25) for q in queries]


def query(height, width):
    return Query("x", np.zeros((height, width, 3), np.uint8), "?", "skin_rgb")


def test_parameters_and_operations_are_those_counted_by_hand():
    cost = measure(Convolving(), [query(10, 20), query(10, 40)])
    assert (cost.parameters, cost.trainable_parameters) == (3 * 4 * 9 + 5 * 7 + 7, 3 * 4 * 9)
    assert cost.flops_per_image == 2 * 9 * 3 * 4 * (200 + 400) // 2
    assert cost.seconds_per_image == pytest.approx(0.25)
    assert cost.peak_memory_bytes > 2**20


def test_a_method_without_a_network_has_none_of_their_costs():
    class Plain:
        def predict(self, queries):
            return [Prediction(np.zeros((4, 4), np.float32), "", 0.5) for _ in queries]

    cost = measure(Plain(), [query(4, 4)])
    assert (cost.parameters, cost.trainable_parameters, cost.flops_per_image) == (0, 0, 0)
    assert cost.seconds_per_image == 0.5
