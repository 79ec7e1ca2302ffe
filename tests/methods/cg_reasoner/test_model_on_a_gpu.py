"""`bench_gpu.py` at reduced width on a pretended GPU, which refuses tensors on two devices and what autocast refuses."""

import json
from functools import cache, partial
from unittest import mock

import bench_gpu
import pytest
import torch
from bench_gpu import WIDTHS, Figure, Section, Setting
from pretended_cuda import pretended_cuda
from prsbench.methods.parts.language import sentence_bert
from prsbench.methods.parts.training.losses import dice_and_bce

SMALL = Setting(WIDTHS["small"], "cuda")


def bridge_step(bridge, setting):
    """A step with this bridge, and the points that the gate asks it for, without autocast."""
    model, config = bench_gpu.cg_reasoner(setting, bridge=bridge)
    images = [one.query.image for one in bench_gpu.samples(2, config.image_size_px)]
    batch = bench_gpu.batch_of(config, setting, len(images), with_reference=bridge == "hidden")
    with setting.autocast():
        terms = model.losses(batch)
    assert all(term.device.type == "cuda" and term.dtype == torch.float32 for term in terms.values()), terms
    sum(terms.values()).backward()
    model.eval()
    yield Figure("points", len(model.points(batch.image_B3SS, batch.questions, batch.answers).cpu()), "")


EVERY = {**bench_gpu.SECTIONS, **{name: (partial(bridge_step, name), 600) for name in ("hidden", "soft_tokens")}}


@pytest.fixture(scope="module")
def sections():
    """Every section's outcome on the pretended GPU."""
    with (
        mock.patch.multiple(Setting, wait=lambda _: None, peak_gib=lambda _, work: work() or 1.0),
        mock.patch.multiple(torch.cuda, get_device_name=lambda: "pretended", empty_cache=lambda: None),
        mock.patch.object(bench_gpu, "SECTIONS", EVERY),
        mock.patch.object(sentence_bert, "_encoder", cache(sentence_bert.SentenceEncoder)),
        pretended_cuda(),
    ):
        return {name: bench_gpu.run(name, SMALL, 6000) for name in EVERY}


@pytest.mark.parametrize("name", EVERY)
def test_a_section_runs_on_the_pretended_gpu_and_every_figure_is_measured(sections, name):
    assert not sections[name].error
    skipped = name == "parity" and not sections[name].figures  # no fixtures here
    assert skipped or (sections[name].figures and all(figure.value is not None for figure in sections[name].figures))


def test_the_sections_times_add_up_to_eight_minutes():
    assert sum(seconds for _, seconds in bench_gpu.SECTIONS.values()) == 480


def test_a_failing_and_a_slow_section_are_named_the_others_go_on_and_the_exit_code_is_1(tmp_path, monkeypatch, capsys):
    def failing(_):
        yield Figure("before", 1.0, "s", target=2.0)
        raise RuntimeError("out of | luck")

    def slow(_):
        while True:
            yield from ()

    def fine(_):
        yield Figure("speed", 3.0, "x", target=2.0)
        yield Figure("memory", float("nan"), "GiB", target=0.7, at_most=True)

    sections = {"failing": (failing, 9), "slow": (slow, 0.2), "fine": (fine, 9)}
    monkeypatch.setattr(bench_gpu, "SECTIONS", sections)
    given = ["--width", "small", "--device", "cpu", "--out", str(tmp_path)]
    assert bench_gpu.main([*given, "--only", *sections]) == 1
    assert "out of | luck" in capsys.readouterr().out
    table = (tmp_path / "bench_gpu.md").read_text().splitlines()
    assert "| failing | before | 1 s | >= 2 | MISSED |" in table and "| fine | speed | 3 x | >= 2 | met |" in table
    assert "| fine | memory | not measured | <= 0.7 |  |" in table
    assert any("FAILED | RuntimeError: out of / luck" in line for line in table)
    assert any("slow | FAILED | OutOfTime: took longer than its 0.2 s" in line for line in table)
    stored = json.loads((tmp_path / "bench_gpu.json").read_text())["sections"]
    assert [Section(**section).name for section in stored] == list(sections)
    assert bench_gpu.main([*given, "--only", "fine"]) == 0


def test_the_pretended_gpu_refuses_tensors_of_two_devices_and_their_arrays():
    with pretended_cuda():
        here, there = torch.ones(2), torch.ones(2, device="cuda")
        assert (there[:1] * 2).device.type == "cuda" and not there.cpu().is_cuda
        for work in (lambda: here + there, lambda: torch.cat([here, there]), lambda: here[there.long()]):
            with pytest.raises(RuntimeError, match="same device"):
                work()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()


def test_the_mask_loss_can_be_computed_under_autocast_in_float32():
    logits, mask = torch.randn(2, 1, 8, 8) * 20, (torch.rand(2, 1, 8, 8) > 0.5).float()
    expected = dice_and_bce(logits, mask)
    with pretended_cuda(), torch.autocast("cuda", torch.bfloat16):
        there = dice_and_bce(logits.to("cuda"), mask.to("cuda"))
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            torch.nn.functional.binary_cross_entropy(mask.to("cuda"), mask.to("cuda"))
    assert torch.equal(expected, there)
