import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prsbench.harness.contract.errors import DataError
from prsbench.methods.images import resize_to_levels
from prsbench.methods.parts.training import images as images_module
from prsbench.methods.parts.training.augmentation import jitter_intensity
from prsbench.methods.parts.training.images import PackedMask, image_id, read_ahead, training_images
from prsbench.methods.parts.training.schedule import cosine


def test_an_image_asked_about_twice_is_prepared_once_with_both_pairs(discs):
    samples = discs(3)
    images = training_images([*samples, *samples], 32)
    assert [one.image_id for one in images] == [f"skin_rgb/{n}" for n in range(3)]
    assert (images[0].image_3SS.shape, images[0].image_3SS.dtype) == ((3, 32, 32), torch.uint8)
    assert (images[0].mask_1SS.shape, images[0].mask_1SS.dtype) == ((1, 32, 32), torch.bool)
    assert images[1].pairs == ((samples[1].query.question, samples[1].truth.answer),) * 2


def test_a_lesion_too_small_for_the_networks_size_is_every_pixel_it_touches(discs):
    (sample,) = discs(1)
    mask = np.zeros((1024, 1024), bool)
    mask[100:102, 903:905] = True
    tiny = replace(
        sample, truth=replace(sample.truth, mask=mask), query=replace(sample.query, image=np.zeros((1024, 1024, 3), np.uint8))
    )
    (image,) = training_images([tiny], 128)
    assert image.mask_1SS.nonzero().tolist() == [[0, 12, 112], [0, 12, 113]]


def test_no_sample_is_an_error():
    with pytest.raises(DataError, match="training split is empty"):
        training_images([], 32)


def test_the_rate_rises_to_its_full_value_and_falls_to_its_floor():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = cosine(optimizer, steps=20, warmup_steps=4, floor=0.1)
    rates = []
    for _ in range(21):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0]) and max(rates) == 2.0
    assert rates[12] == pytest.approx(0.55 * 2.0) and rates[20] == pytest.approx(0.2)


def test_jitter_is_gamma_then_contrast_about_the_mean_then_brightness():
    image = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    gamma, contrast, brightness = np.random.default_rng(3).uniform(-0.3, 0.3, (3, 2))
    got = jitter_intensity(image, 0.3, np.random.default_rng(3))
    for n, one in enumerate(image.numpy()):
        expected = (one ** (1 + gamma[n]) - one.mean()) * (1 + contrast[n]) + one.mean() + brightness[n] / 2
        assert np.allclose(got[n], expected.clip(0, 1))
    assert torch.allclose(jitter_intensity(image, 0.0, np.random.default_rng(3)), image)


@pytest.fixture
def streamed(monkeypatch):
    """From here on no pixels are kept in memory."""
    return lambda: monkeypatch.setattr(images_module, "IN_MEMORY_BYTES", 0)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["empty", "full", "random", "square"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_packed_mask_unpacks_to_itself(height, width, kind, with_channel, seed):
    mask = np.full((height, width), kind == "full")
    if kind == "random":
        mask = np.random.default_rng(seed).random((height, width)) < 0.5
    elif kind == "square":
        mask[: height // 2, width // 3 :] = True
    mask = mask[None] if with_channel else mask
    again = PackedMask.of(mask).unpack()
    assert again.dtype == bool and np.array_equal(again, mask)


def test_pixels_are_the_same_from_memory_from_ahead_and_decoded_late(discs, streamed):
    samples = discs(5)
    in_memory = training_images(samples, 48)
    streamed()
    late, ahead = training_images(samples, 48), training_images(samples, 48)
    assert not late[0].pixels._kept and len(in_memory[0].pixels._kept) == 5
    read_ahead(ahead[1:4])
    for one, other, third in zip(in_memory, late, ahead, strict=True):
        assert torch.equal(one.image_3SS, other.image_3SS) and torch.equal(one.image_3SS, third.image_3SS)
        assert torch.equal(one.mask_1SS, other.mask_1SS) and one.image_3SS.stride() == third.image_3SS.stride()
        assert (one.image_id, one.pairs) == (other.image_id, other.pairs)


def test_what_is_held_decoded_is_bounded_by_what_is_read_next(discs, streamed):
    streamed()
    images = training_images(discs(9), 32)
    pixels = images[0].pixels
    read_ahead(images[:4])
    assert set(pixels._begun) == {0, 1, 2, 3}
    _ = images[0].image_3SS
    read_ahead(images[2:6])
    assert set(pixels._begun) == {2, 3, 4, 5} and not pixels._kept
    read_ahead([])
    read_ahead(images[8:])
    assert set(pixels._begun) == {8}


@pytest.mark.parametrize("chunk", [1, 2, 24])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_images_pairs_and_masks_are_those_of_a_plain_loop(chunk, is_shuffled, discs, monkeypatch):
    monkeypatch.setattr(images_module, "CHUNK", chunk)
    samples = [
        replace(sample, query=replace(sample.query, sample_id=f"{sample.sample_id[:-1]}{n}", question=f"{n}?"))
        for sample in discs(7, empty=(2,))
        for n in range(3)
    ]
    if is_shuffled:
        samples = [samples[i] for i in np.random.default_rng(0).permutation(len(samples))]
    expected: dict[str, list[tuple[str, str]]] = {}
    for sample in samples:
        expected.setdefault(image_id(sample), []).append((sample.query.question, sample.truth.answer))
    got = training_images(samples, 32)
    assert {image.image_id: list(image.pairs) for image in got} == expected and [i.image_id for i in got] == list(expected)
    of_id = {image_id(sample): sample for sample in samples}
    for image in got:
        assert torch.equal(image.image_3SS, resize_to_levels(of_id[image.image_id].query.image, 32))


def test_an_image_that_cannot_be_read_names_itself_in_the_pass_and_in_the_step(discs, streamed):
    class Failing(list):
        fails = False

        def __getitem__(self, number):
            if self.fails and number == 3:
                raise DataError("d.png: not an image")
            return super().__getitem__(number)

    streamed()
    samples = Failing(discs(5))
    images = training_images(samples, 32)
    samples.fails = True
    read_ahead(images)
    assert images[2].image_3SS.shape == (3, 32, 32)
    with pytest.raises(DataError, match=r"d\.png: not an image"):
        _ = images[3].image_3SS
    with pytest.raises(DataError, match=r"d\.png: not an image"):
        training_images(samples, 32)


TRAININGS = """
import os, signal, sys
from pathlib import Path
import torch
sys.path[:0] = sys.argv[2:]
from conftest import disc_sample
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.training import augmentation, images, loop
from prsbench.methods.parts.training.schedule import cosine

loop.SAVE_EVERY_S = 0.0
RANGE = augmentation.AugmentationRange(left_right=0.5, shift=0.2, zoom=0.2)


def train(folder, budget, kill_at):
    def progress(done, total, message):
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    images.IN_MEMORY_BYTES = budget
    prepared = augmentation.prepare([disc_sample(n) for n in range(8)], 32)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Dropout(0.3), torch.nn.Conv2d(4, 1, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    context = FitContext(0, "cpu", progress=progress, scratch=folder)
    of_all = loop.Loop(network, optimizer, cosine(optimizer, 6, 1, 0.1), 6, context)

    def sample_step():
        chosen = [prepared[i] for i in of_all.numbers(len(prepared), 3)]
        images.read_ahead(prepared[i][0] for i in of_all.soon)
        views = [scene.sample_view(RANGE, of_all.rng) for _, scene in chosen]
        image = torch.stack([one.image_3SS for one, _ in chosen]).float() / 255
        shown = augmentation.view_of_images(image, [view for view, _ in views])
        mask = torch.stack([one.mask_1SS for one, _ in chosen]).float()
        return loop.Step([loop.MicroBatch(lambda: {"loss": (network(shown) - mask).square().mean()}, {})], [])

    of_all.run(sample_step, lambda terms: terms["loss"])
    torch.save([tensor.tolist() for tensor in network.state_dict().values()], folder / "weights")


for name, budget, kills in (("memory", 2**30, []), ("streamed", 0, []), ("partly, killed", 4 * 3 * 32 * 32, [2, 5])):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    for kill_at in (*kills, -1):
        if (child := os.fork()) == 0:
            train(folder, budget, kill_at)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == (0 if kill_at < 0 else signal.SIGKILL), status
"""


def test_weights_are_bit_identical_from_memory_streamed_and_after_kill_9(tmp_path):
    command = [sys.executable, "-c", TRAININGS, str(tmp_path), str(Path(__file__).parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert "resumes at step 4 of 6" in done.stdout
    in_memory, *others = [torch.load(tmp_path / name / "weights") for name in ("memory", "streamed", "partly, killed")]
    assert all(other == in_memory for other in others)
