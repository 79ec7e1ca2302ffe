"""CG-Reasoner and the parts it needs, cut short: by SIGKILL at any moment, and between any two steps."""

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from cg_tiny import CONFIG, LANGUAGE
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.parts.training import loop
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.model import Text2Centroid

SAMPLES = Path(__file__).parents[1]
CONFIG = CONFIG.model_copy(update={"epochs": 4, "batch_size": 2, "accumulate": 2, "keep": "best"})
VICTIM = """
import json, sys
from pathlib import Path

import torch

config, needs, scratch, samples, threads = json.loads(sys.argv[1])
sys.path.insert(0, samples)
torch.set_num_threads(threads)
from conftest import disc_sample
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.parts.training import loop

loop.SAVE_EVERY_S = 0.0
needs = {role: Path(folder) for role, folder in needs.items()}
context = FitContext(0, "cpu", needs, lambda done, total, message: print("step", done, flush=True), Path(scratch))
discs = [disc_sample(n, empty=n == 5) for n in range(12)]
CGReasonerMethod(CGReasonerConfig.model_validate(config)).fit(discs, discs[:4], context)
"""


def saved(method, samples, context, folder):
    """Every byte that a training ends in."""
    method.fit(samples, samples[:4], context)
    folder.mkdir()
    method.save(folder)
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_training_killed_at_any_moment_ends_bit_for_bit_as_if_it_had_not_been(samples, needs, tmp_path):
    moment = random.Random()
    step, delay_s, scratch = moment.randint(1, 11), moment.random() * 0.3, tmp_path / "scratch"
    scratch.mkdir()
    places = {role: str(folder) for role, folder in needs.items()}
    told = json.dumps([CONFIG.model_dump(mode="json"), places, str(scratch), str(SAMPLES), torch.get_num_threads()])
    with subprocess.Popen([sys.executable, "-c", VICTIM, told], stdout=subprocess.PIPE, text=True) as victim:
        for line in victim.stdout:
            if line == f"step {step}\n":
                break
        time.sleep(delay_s)
        victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL, f"it ended before it was killed {delay_s:.2f} s after step {step}"
    assert (scratch / loop.STATE).exists() or step == 1
    again = saved(CGReasonerMethod(CONFIG), samples, FitContext(0, "cpu", needs, scratch=scratch), tmp_path / "again")
    whole = saved(CGReasonerMethod(CONFIG), samples, FitContext(0, "cpu", needs), tmp_path / "whole")
    assert again == whole, f"killed {delay_s:.2f} s after step {step}"


PARTS = [SmallLlama(LANGUAGE.model_copy(update={"steps": 9})), Text2Centroid(Text2CentroidConfig(steps=9))]


@pytest.mark.parametrize("part", PARTS, ids=["base", "t2c"])
def test_the_parts_go_on_where_they_were_cut_short(part, samples, tmp_path, monkeypatch):
    def progress(done, total, message):
        if done == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "SAVE_EVERY_S", 0.0)
    with suppress(KeyboardInterrupt):
        part.fit(samples, [], FitContext(0, "cpu", progress=progress, scratch=tmp_path))
    seen = []
    context = FitContext(0, "cpu", progress=lambda done, total, message: seen.append(done), scratch=tmp_path)
    again = saved(type(part)(part.config), samples, context, tmp_path / "again")
    assert seen == [6, 7, 8, 9]
    assert again == saved(type(part)(part.config), samples, FitContext(0, "cpu"), tmp_path / "whole")
