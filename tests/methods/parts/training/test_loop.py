"""The loop of all trainings, on networks small enough to follow."""

from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.training import loop as loop_module
from prsbench.methods.parts.training.loop import Loop, MicroBatch, Step, Validation, read_losses, write_losses
from prsbench.methods.parts.training.schedule import cosine
from torch import nn

STEPS = 7
INPUTS = torch.from_numpy(np.random.default_rng(3).normal(size=(10, 4)).astype(np.float32))
TARGETS = INPUTS.sum(1, keepdim=True)


class Killed(BaseException):
    pass


def small_network(dropout: float = 0.3) -> nn.Module:
    torch.manual_seed(5)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8) if dropout else nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))
    network[0].bias.requires_grad_(False)
    return network


def part_of(network, numbers) -> MicroBatch:
    def terms():
        error = network(INPUTS[numbers]) - TARGETS[numbers]
        far = error[error.abs() > 0.5]  # a mean over another number of things than the images
        return {"square": error.square().mean(), "far": far.abs().mean() if len(far) else error.sum() * 0}

    with torch.no_grad():
        count = int(((network(INPUTS[numbers]) - TARGETS[numbers]).abs() > 0.5).sum()) if not network.training else 0
    return MicroBatch(terms, {"square": len(numbers), "far": count})


def trained(network, scratch=None, kill_at=None, keep="last", size=4, modalities=()):
    """A loop that ran on `network`, which takes noise from both generators; Killed before step `kill_at` is saved."""

    def progress(done, total, message):
        if done == kill_at:
            raise Killed

    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.05)
    context = FitContext(1, "cpu", progress=progress, scratch=scratch)
    schedule = cosine(optimizer, STEPS, 2, 0.1)
    loop = Loop(network, optimizer, schedule, STEPS, context, gradient_clip=1.0, modalities=modalities)

    def draw():
        numbers = loop.numbers(len(INPUTS), size)
        noise = float(loop.rng.random())

        def terms():
            return {"square": (network(INPUTS[numbers] + noise) - TARGETS[numbers]).square().mean()}

        return Step([MicroBatch(terms, {})], [f"image {n}" for n in numbers])

    validation = Validation(
        lambda: [MicroBatch(lambda: {"square": (network(INPUTS) - TARGETS).square().mean()}, {"square": 10})], 3, keep
    )
    loop.run(draw, lambda terms: terms["square"], validation)
    return loop


def same(one: Loop, other: Loop) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and (one.history, one.validated) == (other.history, other.validated)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.integers(1, STEPS), max_size=3), every_s=st.sampled_from([0.0, 1e9]), keep=st.sampled_from(["best", "last"])
)
def test_a_training_cut_short_again_and_again_ends_as_if_nothing_had_happened(kills, every_s, keep, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_module, "SAVE_EVERY_S", every_s)
        for kill_at in kills:
            torch.manual_seed(kill_at)  # whatever the process drew before
            with suppress(Killed):
                trained(small_network(), scratch, kill_at, keep)
        assert same(trained(small_network(), scratch, keep=keep), trained(small_network(), keep=keep))


def test_a_resumed_training_repeats_no_saved_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop_module, "SAVE_EVERY_S", 0.0)
    with suppress(Killed):
        trained(small_network(), tmp_path, kill_at=6)
    trained(small_network(), tmp_path)
    assert f"resumes at step 5 of {STEPS}" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["training.state"], "no half-written file stays"


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:99] + b"\0" + data[100:], lambda data: b""])
def test_a_damaged_state_is_not_used(damage, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop_module, "SAVE_EVERY_S", 0.0)
    with suppress(Killed):
        trained(small_network(), tmp_path, kill_at=5)
    state = tmp_path / "training.state"
    state.write_bytes(damage(state.read_bytes()))
    assert same(trained(small_network(), tmp_path), trained(small_network()))
    assert "is damaged; the training starts again" in capsys.readouterr().out


def test_validation_changes_no_number_and_the_best_epoch_is_restored_where_asked():
    last, best = trained(small_network()), trained(small_network(), keep="best")
    assert last.history == best.history and [row["step"] for row in best.validated] == [3, 6]
    with torch.no_grad():
        ends = {name: (loop.network(INPUTS) - TARGETS).square().mean().item() for name, loop in (("last", last), ("best", best))}
    assert ends["best"] == pytest.approx(min(row["loss"] for row in best.validated), abs=1e-6)
    assert ends["last"] != pytest.approx(ends["best"], abs=1e-6)


def test_a_step_in_micro_batches_equals_the_full_step():
    ends = []
    for cut in ([range(10)], [range(3), range(3, 10)], [[n] for n in range(10)]):
        network = small_network(dropout=0.0)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        loop = Loop(network, optimizer, cosine(optimizer, 3, 1, 1.0), 3, FitContext(0, "cpu"))

        def draw(network=network, cut=cut):
            network.eval()
            return Step([part_of(network, list(numbers)) for numbers in cut], ["all"])

        loop.run(draw, lambda terms: terms["square"] + 0.5 * terms["far"])
        ends.append((network, loop.history))
    (whole, history), *others = ends
    for network, rows in others:
        for ours, theirs in zip(network.parameters(), whole.parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)
        assert rows == [{k: pytest.approx(v, abs=1e-6) for k, v in row.items()} for row in history]


def test_every_image_comes_once_an_epoch_in_another_order():
    optimizer = torch.optim.SGD(small_network().parameters(), lr=0.1)
    loop, steps = Loop(nn.Identity(), optimizer, None, 6, FitContext(0, "cpu")), []
    for loop.step in range(6):
        steps.append(loop.numbers(10, 4))
    assert [len(step) for step in steps] == [4, 4, 2] * 2
    first, second = sum(steps[:3], []), sum(steps[3:], [])
    assert sorted(first) == sorted(second) == list(range(10)) and first != second


def orders(modalities, size, epochs, seed=0):
    """The numbers of each step, by epoch."""
    optimizer, epoch = torch.optim.SGD(small_network().parameters(), lr=0.1), -(-len(modalities) // size)
    loop, steps = Loop(nn.Identity(), optimizer, None, 99, FitContext(seed, "cpu"), modalities=modalities), []
    for loop.step in range(epochs * epoch):
        steps.append(loop.numbers(len(modalities), size))
        assert [n for n in loop.soon[: len(steps[-1])]] == steps[-1]
    return [steps[start : start + epoch] for start in range(0, len(steps), epoch)]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 9), st.randoms())
def test_balanced_batches_hold_every_modality_as_often_as_any_other(counts, size, random):
    modalities = [name for name, count in zip("abcdef", counts, strict=False) for _ in range(count)]
    random.shuffle(modalities)
    for epoch in orders(modalities, size, 2):
        drawn = [modalities[number] for step in epoch for number in step]
        assert len(drawn) == len(modalities)
        for start in range(0, len(drawn), len(counts)):  # of each, one in every round
            assert len(set(drawn[start : start + len(counts)])) == min(len(counts), len(drawn) - start)
        for name, count in zip("abcdef", counts, strict=False):
            times = Counter(number for step in epoch for number in step if modalities[number] == name).values()
            assert len(times) == min(count, sum(times)) and max(times, default=1) - min(times, default=1) <= 1


def test_balanced_batches_are_the_same_for_one_seed_and_show_all_of_a_large_modality_in_time():
    modalities = ["small"] * 2 + ["large"] * 30
    assert orders(modalities, 8, 9) == orders(modalities, 8, 9) != orders(modalities, 8, 9, seed=1)
    assert {number for epoch in orders(modalities, 8, 9) for step in epoch for number in step} == set(range(32))


@pytest.mark.parametrize("kill_at", [1, 3, 4, 6])
def test_a_balanced_training_that_was_killed_ends_as_one_that_was_not(tmp_path, monkeypatch, kill_at):
    monkeypatch.setattr(loop_module, "SAVE_EVERY_S", 0.0)
    modalities = list("aaaaaaaabc")
    whole = trained(small_network(), modalities=modalities)
    with suppress(Killed):
        trained(small_network(), tmp_path, kill_at, modalities=modalities)
    assert same(trained(small_network(), tmp_path, modalities=modalities), whole)
    assert not same(trained(small_network()), whole)


def test_a_loss_that_is_not_finite_stops_before_it_moves_a_weight_and_names_the_samples(monkeypatch):
    network = small_network()
    before = [p.clone() for p in network.parameters()]
    with torch.no_grad():
        monkeypatch.setitem(globals(), "TARGETS", TARGETS * float("nan"))
    with pytest.raises(PrsbenchError, match=r"Step 0: the loss is not finite .*'square': nan.* on samples \['image \d+'"):
        trained(network)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_a_gradient_that_is_not_finite_stops_before_it_moves_a_weight_though_the_loss_is():
    network = nn.Linear(4, 1)
    before = [p.clone() for p in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def zero():  # with a slope of infinity times 0
        return {"zero": ((network(INPUTS) - network(INPUTS)) ** 2).sum().sqrt()}

    for clip in (None, 1.0):
        loop = Loop(network, optimizer, cosine(optimizer, 2, 1, 1.0), 2, FitContext(0, "cpu"), clip)
        with pytest.raises(PrsbenchError, match=r"Step 0: the gradient is not finite .*'zero': 0.0.* on samples \['one'\]"):
            loop.run(lambda: Step([MicroBatch(zero, {})], ["one"]), lambda terms: terms["zero"])
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))


def test_a_val_loss_that_is_not_finite_is_no_best_epoch():
    network = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loop = Loop(network, optimizer, cosine(optimizer, 2, 1, 1.0), 2, FitContext(0, "cpu"))
    step = Step([MicroBatch(lambda: {"square": network(INPUTS).square().mean()}, {})], ["one"])
    nowhere = Validation(lambda: [MicroBatch(lambda: {"square": torch.tensor(torch.nan)}, {"square": 1})], 1, "best")
    with pytest.raises(PrsbenchError, match="Step 1: the loss on the val split is not finite"):
        loop.run(lambda: step, lambda terms: terms["square"], nowhere)


def test_the_state_of_another_training_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "SAVE_EVERY_S", 0.0)
    with suppress(Killed):
        trained(small_network(), tmp_path, kill_at=5)
    monkeypatch.setitem(globals(), "STEPS", STEPS + 1)
    with pytest.raises(PrsbenchError, match="the state of another training .*'steps': 7.* this one is .*'steps': 8"):
        trained(small_network(), tmp_path)


def test_losses_written_are_losses_read(tmp_path):
    loop = trained(small_network())
    write_losses(tmp_path, loop.history, loop.validated)
    assert read_losses(tmp_path) == (loop.history, loop.validated)
