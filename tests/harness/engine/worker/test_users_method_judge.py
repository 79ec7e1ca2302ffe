"""The packaged rows and a judge trained in the run, beside a user's file that patches torch when it is imported."""

import pytest
from prsbench.harness.cli.main import main
from prsbench.methods.authoring.skeleton import write_skeleton

GRID = "name: g\njudge: val\ndata: [{source: phantoms, train: 2, val: 2, test: 2, modalities: [breast_us]}]\nmethods: [%s]\n"
POISON = """
import torch
torch.nn.init.kaiming_uniform_ = lambda tensor, *a, **k: tensor.data.fill_(0.01)
torch.nn.Linear.reset_parameters = lambda self: self.weight.data.fill_(0.01)
torch.manual_seed = lambda *a: None
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
"""


@pytest.mark.slow
def test_a_file_that_patches_torch_moves_neither_the_oracles_scores_nor_the_judges_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("prsbench.harness.report.writer.write_report", lambda *_, **__: [])
    write_skeleton("mine", tmp_path)
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + POISON)
    found = []
    for name, methods in (("alone", "oracle"), ("beside", "mine.py:Mine, oracle")):
        (tmp_path / f"{name}.yaml").write_text(GRID % methods.replace("mine.py:Mine", '"mine.py:Mine"'))
        assert main(["run", f"{name}.yaml", "--executor", "serial", "--out", name]) == 0
        paths = [*(tmp_path / name).glob("cells/oracle*/scores.json"), *(tmp_path / name).glob("trainings/text2*/weights/*")]
        found.append({path.relative_to(tmp_path / name): path.read_bytes() for path in paths})
    assert len(found[0]) > 1 and found[0] == found[1]
