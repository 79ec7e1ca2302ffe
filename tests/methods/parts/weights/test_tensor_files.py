"""A user's file of tensors is read as tensors or refused with a way out that works."""

import argparse
import shlex
import sys

import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.weights.tensor_files import read_tensors
from safetensors.torch import save_file
from torch import nn

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_plain_tensors_come_back(name, tmp_path):
    (save_file if name.endswith("safetensors") else torch.save)(STATE, tmp_path / name)
    found = read_tensors(tmp_path / name)
    assert found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "content",
    [
        {"model": STATE, "args": argparse.Namespace(lr=1)},
        {"state_dict": {**STATE, "epoch": 3}, "args": argparse.Namespace()},
        nn.Linear(3, 2),
    ],
    ids=["a training's state", "beside its options", "a whole module"],
)
def test_pickled_objects_are_refused_with_a_line_that_converts_the_file(content, tmp_path, monkeypatch):
    if isinstance(content, nn.Module):
        content.load_state_dict(STATE)
    path = tmp_path / "it's a checkpoint.pth"
    torch.save(content, path)
    with pytest.raises(PrsbenchError, match="holds pickled objects.*If you trust the author, convert it once") as error:
        read_tensors(path)
    _, _, line, *arguments = shlex.split(str(error.value).splitlines()[-1])
    monkeypatch.setattr(sys, "argv", ["-c", *arguments])
    exec(line, {})
    found = read_tensors(path.with_suffix(".safetensors"))
    assert found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", None], ids=["empty", "a web page", "cut short"])
def test_a_damaged_file_is_no_reason_to_convert(name, content, tmp_path):
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(STATE, path)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(PrsbenchError, match="damaged, or not a checkpoint .*Fetch it again"):
        read_tensors(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(PrsbenchError, match="expected a state dict of tensors, got list"):
        read_tensors(tmp_path / "a.pth")
