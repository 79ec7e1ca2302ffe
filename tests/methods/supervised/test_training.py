import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.training import images
from prsbench.methods.parts.training.config import NO_AUGMENTATION
from prsbench.methods.parts.training.loop import Loop
from prsbench.methods.supervised import training
from prsbench.methods.supervised.config import SupervisedConfig
from prsbench.methods.supervised.method import WEIGHTS, SupervisedMethod
from prsbench.methods.supervised.networks import build_network
from prsbench.methods.supervised.training import augmented, segmentation_loss, train
from safetensors.torch import load_file, save_model
from torch import nn

CONFIG = SupervisedConfig(network="nnunet", base_features=8, image_size_px=32, epochs=24, batch_size=4, warmup_steps=2)


def test_a_network_learns_bright_discs(discs):
    method = SupervisedMethod(CONFIG)
    method.fit(discs(16), (), FitContext(0, "cpu"))
    unseen = discs(6, start=50)
    found = [p.probability >= 0.5 for p in method.predict([s.query for s in unseen])]
    dice = [2 * (f & s.truth.mask).sum() / (f.sum() + s.truth.mask.sum()) for f, s in zip(found, unseen, strict=True)]
    assert np.mean(dice) > 0.7


def test_balanced_batches_hold_both_modalities_alike_whether_images_stay_in_memory_or_are_decoded_again(discs, monkeypatch):
    kinds = ["skin_rgb"] * 2 + ["polyp_endoscopy"] * 12
    samples = [replace(s, query=replace(s.query, modality=kind)) for s, kind in zip(discs(14), kinds, strict=True)]
    config, batches, numbers = CONFIG.model_copy(update={"epochs": 2, "balance_modalities": True}), [], Loop.numbers
    monkeypatch.setattr(Loop, "numbers", lambda loop, *sizes: batches.append(numbers(loop, *sizes)) or batches[-1])
    histories = []
    for room in (images.IN_MEMORY_BYTES, 0):
        monkeypatch.setattr(images, "IN_MEMORY_BYTES", room)
        torch.manual_seed(0)
        histories.append(train(build_network(config), config, samples, FitContext(0, "cpu")).history)
    assert histories[0] == histories[1] and len(batches) == 16
    assert all(sum(kinds[n] == "skin_rgb" for n in batch) == len(batch) / 2 for batch in batches)


def save_untrained(folder):
    """Save a method with random weights, the same in every process."""
    torch.manual_seed(0)
    method = SupervisedMethod(CONFIG)
    method._network, method._history = build_network(CONFIG), []
    method.save(folder)
    return method


def test_another_process_writes_the_same_bytes(tmp_path):
    (tmp_path / "other").mkdir()
    save_untrained(tmp_path)
    script = "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import test_training as t; "
    command = [sys.executable, "-c", f"{script} t.save_untrained(pathlib.Path(sys.argv[2]))"]
    subprocess.run([*command, Path(__file__).parent, tmp_path / "other"], check=True, env={**os.environ, "PYTHONHASHSEED": "1"})
    assert (tmp_path / WEIGHTS).read_bytes() == (tmp_path / "other" / WEIGHTS).read_bytes()


def test_a_shared_tensor_is_stored_once_as_safetensors_would_and_loaded_under_all_its_names(tmp_path):
    state = save_untrained(tmp_path)._network.state_dict()
    loaded = SupervisedMethod(CONFIG)
    loaded.load(tmp_path, "cpu")
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded._network.state_dict().items())
    save_model(loaded._network, str(tmp_path / "by_safetensors"))
    stored, expected = load_file(tmp_path / WEIGHTS), load_file(tmp_path / "by_safetensors")
    assert stored.keys() == expected.keys() and len(stored) < len(state)
    assert all(torch.equal(stored[name], expected[name]) for name in stored)


def test_a_flip_turns_image_and_mask_alike_and_jitter_moves_the_image_alone():
    image = torch.randint(0, 255, (5, 3, 8, 8), dtype=torch.uint8)
    mask = image[:, :1] > 128
    still = NO_AUGMENTATION.model_copy(update={"horizontal_flip": 1.0})
    flipped, flipped_mask = augmented(image, mask, still, np.random.default_rng(0))
    assert torch.allclose(flipped, image.flip(-1) / 255, atol=1e-5)
    assert torch.equal(flipped_mask, mask.flip(-1).float())
    jittered, same_mask = augmented(
        image, mask, NO_AUGMENTATION.model_copy(update={"intensity_jitter": 0.5}), np.random.default_rng(0)
    )
    assert torch.equal(same_mask, mask.float()) and not torch.allclose(jittered, image / 255, atol=0.05)
    assert jittered.min() >= 0 and jittered.max() <= 1


def test_the_loss_over_resolutions_is_the_weighted_sum_of_their_losses():
    torch.manual_seed(0)
    logits, mask = torch.randn(2, 2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    by_hand = 2 / 3 * segmentation_loss(logits[:, 0], mask) + 1 / 3 * segmentation_loss(logits[:, 1], mask)
    assert torch.allclose(segmentation_loss(logits, mask), by_hand)


def test_a_loss_that_is_not_finite_stops_and_names_the_images(discs, monkeypatch):
    monkeypatch.setattr(training, "segmentation_loss", lambda logits, mask: logits.sum() * float("nan"))
    with pytest.raises(PrsbenchError, match=r"not finite.*skin_rgb/"):
        train(nn.Conv2d(3, 1, 1), CONFIG, discs(4), FitContext(0, "cpu"))
