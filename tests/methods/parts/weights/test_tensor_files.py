"""A user's file of tensors is read as tensors or refused with a way out that works."""

import argparse
import pickle
import random
import re
import shlex
import struct
import sys
from contextlib import suppress
from functools import partial
from zipfile import ZIP_DEFLATED, ZipFile

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


FORMATS = {
    "a.pt": torch.save,
    "before 1.6.pt": partial(torch.save, _use_new_zipfile_serialization=False),
    "a.safetensors": save_file,
}


@pytest.mark.parametrize("name", FORMATS)
def test_damage_anywhere_ends_in_one_error_that_names_the_file(name, tmp_path):
    path = tmp_path / name
    FORMATS[name](STATE, path)
    whole = path.read_bytes()
    for seed in range(200):
        rng = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3, 20])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged if rng.random() < 0.8 else damaged[: rng.randrange(len(damaged))])
        found = None
        with suppress(PrsbenchError):  # any other error would fail the test
            found = read_tensors(path)
        if found is None:
            with pytest.raises(PrsbenchError, match=re.escape(str(path))):
                read_tensors(path)
        elif name == "a.pt":  # the other two formats have no checksums: a changed weight cannot be told
            assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_changed_weight_in_an_archive_is_found_by_its_checksum(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(STATE, path)
    whole, value = path.read_bytes(), struct.pack("<f", 5.0)
    assert whole.count(value) == 1
    path.write_bytes(whole.replace(value, struct.pack("<f", 5.5)))
    with pytest.raises(PrsbenchError, match=r"a\.pt: damaged, or not a checkpoint \(BadZipFile: .*Fetch it again"):
        read_tensors(path)


def test_an_archive_that_unpacks_to_more_than_itself_is_refused_before_it_is_unpacked(tmp_path):
    torch.save({"weight": torch.zeros(1_000_000)}, tmp_path / "whole.pt")
    with ZipFile(tmp_path / "whole.pt") as whole, ZipFile(tmp_path / "bomb.pt", "w", ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    with pytest.raises(PrsbenchError, match=r"it unpacks to 4\d+ bytes, more than the file has"):
        read_tensors(tmp_path / "bomb.pt")


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(10**12), torch.eye(3).to_sparse(), torch.zeros(3, device="meta")],
    ids=["one value repeated", "sparse", "without values"],
)
def test_a_tensor_that_is_larger_than_its_file_or_not_dense_is_refused_also_in_a_container(tensor, tmp_path):
    for content in ({"weight": tensor}, {"model": [{"weight": tensor}]}):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(PrsbenchError, match=r"a\.pt: damaged, or not a checkpoint \(ValueError: a tensor "):
            read_tensors(tmp_path / "a.pt")


def test_a_container_that_holds_itself_or_has_other_keys_than_names_is_no_checkpoint(tmp_path):
    ring = {"weight": torch.ones(1)}
    ring["itself"] = ring
    torch.save(ring, tmp_path / "ring.pt")
    assert read_tensors(tmp_path / "ring.pt")["weight"].item() == 1
    torch.save({0: torch.ones(1)}, tmp_path / "numbers.pt")
    with pytest.raises(PrsbenchError, match="expected a state dict of tensors, got dict whose keys are no names"):
        read_tensors(tmp_path / "numbers.pt")


class Runs:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 4))])
def test_no_code_of_a_pickle_runs(write, tmp_path):
    write({"weight": torch.ones(1), "x": Runs(tmp_path / "ran")}, tmp_path / "a.pt")
    with pytest.raises(PrsbenchError, match=r"a\.pt: "):
        read_tensors(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()
