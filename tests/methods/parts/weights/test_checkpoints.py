"""A checkpoint fits its network tensor by tensor, or one error says what differs."""

import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.weights.checkpoints import fill
from torch import nn

GOOD = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


def test_half_precision_fits_and_is_loaded():
    network = nn.Linear(3, 2)
    assert fill(network, {name: tensor.half() for name, tensor in GOOD.items()}, "a.pt").found == 2
    assert network.weight.tolist() == [[1.0] * 3] * 2 and not network.training


@pytest.mark.parametrize(
    "weight",
    [torch.ones(3, 2), torch.ones(2, 3, dtype=torch.int8), torch.ones(2, 3, dtype=torch.complex64), {"nested": 1}, 3, None],
    ids=["shape", "integers", "complex", "dict", "number", "None"],
)
def test_a_tensor_of_another_shape_or_kind_is_named(weight):
    with pytest.raises(PrsbenchError, match=r"a\.pt: does not fit.* 1 of another shape or kind of number \(weight\)"):
        fill(nn.Linear(3, 2), {**GOOD, "weight": weight}, "a.pt")


def test_a_tensor_with_nan_is_named_and_infinity_in_a_mask_is_not():
    with pytest.raises(PrsbenchError, match=r"a\.pt: 1 tensors hold NaN \(bias\)"):
        fill(nn.Linear(3, 2), {**GOOD, "bias": torch.tensor([0.0, float("nan")])}, "a.pt")
    fill(nn.Linear(3, 2), {**GOOD, "bias": torch.tensor([0.0, float("-inf")])}, "a.pt")


def test_names_of_any_length_leave_a_short_error():
    with pytest.raises(PrsbenchError) as error:
        fill(nn.Linear(3, 2), {**GOOD, "x" * 10**6: torch.ones(1)}, "a.pt")
    assert len(str(error.value)) < 1000
