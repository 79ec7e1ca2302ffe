"""A user's method is not trusted with the process: whatever its file does, its own row alone shows it."""

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.driver.run import plan_run, run_grid
from prsbench.harness.engine.inspect.results import results
from prsbench.harness.engine.store.run_folder import NodeFolder, RunFolder
from prsbench.methods.plugins import PluginCatalog

METHOD = """
import os, sys, threading, time
import numpy as np
from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Labels, Prediction, TextSource, Weights

class MineConfig(MethodConfig):
    batch_size: int = 2
    level: float = 0.5

class Mine:
    trains = False
    def __init__(self, config): self.config = config
    @property
    def labels(self): return Labels(self.config.prompt_source, Weights.NONE, TextSource.CONSTANT)
    def fit(self, train, val, context): pass
    def save(self, folder): pass
    def load(self, folder, device): pass
    def one(self, query, answer="At the left.", seconds=0.0):
        return Prediction((query.image.mean(2) > 150).astype(np.float32), answer, seconds)
    def predict(self, queries): return [self.one(query) for query in queries]
"""
BAD = "query.sample_id.endswith('test2#0')"  # one of five samples
POISON = '''
import builtins, random, warnings
import engine_stand_ins, stand_in_methods
import prsbench.harness.engine.worker.scoring as scoring
import prsbench.metrics.mask.counts as counts
engine_stand_ins.Judges.locate = lambda self, sentences: np.zeros((len(sentences), 2), np.float32)
stand_in_methods.Bright.predict = lambda self, queries: []
scoring.score_each = counts.count_maps = None
np.seterr(all="raise"); np.random.random = lambda *shape: 0.0; random.seed = lambda *a: None
os.environ["OMP_NUM_THREADS"] = "7"; os.chdir("/"); sys.path.clear()
warnings.simplefilter("error"); sys.setrecursionlimit(100); builtins.sorted = list
import PIL.Image; PIL.Image.MAX_IMAGE_PIXELS = 1
'''  # fmt: skip


@pytest.fixture
def go(stand_ins, data_root, tmp_path, monkeypatch):
    """Runs a grid with mine.py beside stand-ins, of which the trained one has a part and a judge."""
    registry = replace(stand_ins.REGISTRY, methods=PluginCatalog("method", list(stand_ins.REGISTRY.methods.values())))
    monkeypatch.setenv("PYTHONPATH", str(Path(stand_ins.__file__).parent), prepend=os.pathsep)

    def run(source, methods=("mine", "bright"), folder="run", executor="serial", root=data_root, **how):
        (tmp_path / "mine.py").write_text(METHOD + source)
        named = [f"{tmp_path}/mine.py:Mine" if name == "mine" else name for name in methods]
        return run_grid(stand_ins.make_grid(root, named, **how), registry, RunFolder(tmp_path / folder), str, executor)

    run.registry = registry
    return run


def states(run):
    """Status and error of the rows on the first data set, by the method's last word."""
    return {cell.method.rpartition(":")[2]: (cell.status, cell.error) for cell in reversed(results(run))}


def statuses(run):
    cell = results(run)[0]
    return [record.status for record in cell.records], next((r.error for r in cell.records if r.error), "")


def numbers_without_mine(stand_ins, run):
    return [cell for cell in stand_ins.numbers(run) if "mine.py" not in cell[0]]


@pytest.mark.parametrize("executor", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
@pytest.mark.parametrize("when", ["at import", "when it predicts"])
def test_what_a_users_method_changes_moves_no_number_of_another_row_or_of_the_judge(stand_ins, go, when, executor):
    others = ["bright", "trained", "echo"]
    alone = go("", methods=others, folder="alone")
    later = (
        f"\nMine.one = lambda self, query: exec({POISON!r}) or Prediction(np.zeros(query.image.shape[:2], np.float32), '', 0.0)\n"
    )
    poison = {"at import": POISON, "when it predicts": later}
    run = go(poison[when], methods=["mine", *others], executor=executor, workers=1)
    assert numbers_without_mine(stand_ins, run) == stand_ins.numbers(alone)
    assert states(run)["echo"][0] == "complete"


def test_a_users_file_is_imported_nowhere_but_in_its_own_process(go, tmp_path):
    def ours():
        loaded = {name for name in sys.modules if name.startswith("prsbench_file_")}
        threads = {*threading.enumerate(), *loaded}
        return Path.cwd(), np.geterr(), dict(os.environ), sys.getrecursionlimit(), signal.getsignal(signal.SIGINT), threads

    before = ours()
    ignores = "\nimport signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    go(f"{ignores}open('{tmp_path}/pids', 'a').write(f'{{os.getpid()}} ')\n{POISON}")
    assert ours() == before
    pids = (tmp_path / "pids").read_text().split()
    assert len(set(pids)) == len(pids) == 2 and str(os.getpid()) not in pids, "one to plan, one to predict on both data sets"


def test_a_users_method_gives_the_numbers_that_it_gives_in_our_own_process(stand_ins, go):
    noisy = (
        "\nMine.one = lambda self, q: Prediction(np.random.random(q.image.shape[:2]).astype(np.float32), 'At the top.', 0.0)\n"
    )
    apart = go(noisy, methods=["mine"])
    ours = replace(apart.plan, cells=tuple(replace(cell, own_process=False) for cell in apart.plan.cells))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("prsbench.harness.engine.driver.run.make_plan", lambda *_: ours)
        assert stand_ins.numbers(go(noisy, methods=["mine"], folder="ours")) == stand_ins.numbers(apart)
    sys.modules.pop(next(name for name in sys.modules if name.startswith("prsbench_file_")))


def test_a_users_method_is_trained_saved_and_loaded_like_any_other(stand_ins, go):
    trains = """
import json
def _fit(self, train, val, context):
    for n in range(3): context.progress(n + 1, 3, "steps")
    assert context.scratch.is_dir() and len(train) == 8 and len(val) == 4
    self.level = float(np.mean([s.truth.mask.mean() for s in train]) + np.random.random())
Mine.fit, Mine.trains = _fit, True
Mine.save = lambda self, folder: (folder / "level.json").write_text(json.dumps(self.level))
Mine.load = lambda self, folder, device: setattr(self, "level", json.loads((folder / "level.json").read_text()))
Mine.one = lambda self, q: Prediction(np.full(q.image.shape[:2], self.level % 1, np.float32), "At the top.", 0.0)
"""
    run = go(trains)
    assert run.status == "complete" and {cell.status for cell in results(run)} == {"complete"}
    seal = next(run.setting.run.path.glob("trainings/*mine*/sealed.json"))
    assert json.loads(seal.read_text())["steps_s"] >= 0
    assert stand_ins.numbers(run) == stand_ins.numbers(go(trains, folder="again"))


def test_a_users_reference_row_gets_the_truth_and_is_labelled_so(go):
    echo = """
Mine.predict = None
Mine.predict_from_truth = lambda self, batch, answers: [
    Prediction(s.truth.mask.astype(np.float32), answers[s.sample_id], 0.0) for s in batch
]
"""
    assert statuses(go(echo)) == (["ok"] * 5, "")


MISBEHAVES = (  # what a sample does, and what its record then says
    ("sys.exit(0)", "SystemExit: 0. sys.exit ends a whole process"),
    ("exec('raise KeyboardInterrupt')", "KeyboardInterrupt: "),
    ("exec('raise GeneratorExit')", "GeneratorExit: "),
    ("exec('raise BaseException(7)')", "BaseException: 7"),
    ("1 / 0", "ZeroDivisionError: division by zero"),
    ("self.one(query, 'At the left \\ud83d')", r"answer holds a lone surrogate, '\ud83d' at character 12"),
    ("exec('raise ValueError(chr(0xd83d))')", r"ValueError: \ud83d"),
    ("self.one(query, seconds=-5.0)", "seconds must be 0 or more and finite, got -5.0"),
    ("self.one(query, seconds=float('nan'))", "seconds must be 0 or more and finite, got nan"),
    ("self.one(query, seconds='1')", "seconds must be a number, got str"),
    ("self.one(query, seconds=1e6)", "seconds must be the wall time of this query; got 1000000 s"),
    ("self.one(query, answer=None)", "answer must be a str, got NoneType"),
    ("None", "expected a Prediction, got NoneType"),
    ("Prediction([[0.5]], '', 0.0)", "must be a NumPy array, got list"),
    ("Prediction(np.array([[object()]]), '', 0.0)", "must have the image's shape"),
)


def test_each_sample_that_misbehaves_is_a_failed_record_that_says_how_and_the_others_count(go, stand_ins, tmp_path):
    counts = (("train", 4), ("val", 2), ("test", 2 * len(MISBEHAVES)))
    root = stand_ins.write_data(tmp_path / "odd", folders=("skin_rgbimage",), counts=counts)
    cases = "".join(f"        if n == {2 * n}: return {does}\n" for n, (does, _) in enumerate(MISBEHAVES))
    predict = (
        f"\ndef _predict(self, qs):\n    def each(query):\n        n = int(query.sample_id[len('skin_rgb/test'):-2])\n{cases}"
    )
    run = go(
        f"{predict}        return self.one(query)\n    return [each(query) for query in qs]\nMine.predict = _predict\n", root=root
    )
    records = results(run)[0].records
    assert [record.status for record in records] == ["failed", "ok"] * len(MISBEHAVES)
    for record, (_, said) in zip(records[::2], MISBEHAVES, strict=True):
        assert said in record.error
    assert run.status == "complete"


FAILS = {  # how a row fails, and what it says
    "self.predict = lambda qs: os._exit(0)": "its process ended with exit code 0: os._exit, or a crash",
    "os.abort()": "its process was killed by SIGABRT",
    "sys.exit(0)": "SystemExit: 0. sys.exit ends a whole process",
    "self.predict = lambda qs: []": "must return one prediction per query: expected 1, got 0",
    "self.predict = lambda qs: None": "must return a list of predictions, got NoneType",
    "Mine.labels = Labels('question', 'none', TextSource.CONSTANT, (1,))": "labels.notes must be a tuple of texts, got (1,)",
    "Mine.labels = Labels('question', 'none', TextSource.CONSTANT, (), ('PH2',))": "labels.seen must be a tuple of SeenData, got",
}


def test_a_method_that_fails_as_a_whole_is_a_failed_row_that_says_why_beside_complete_ones(go, tmp_path):
    more = f"\nFAILS = {list(FAILS)!r}\nMine.load = lambda self, folder, device: exec(FAILS[self.config.batch_size - 1])\n"
    over = {"sweeps": [{"method": f"{tmp_path}/mine.py:Mine", "over": {"batch_size": list(range(1, len(FAILS) + 1))}}]}
    run = go(more, more=over)
    for number, said in enumerate(FAILS.values(), 1):
        status, error = next((c.status, c.error) for c in results(run) if c.method.endswith(f"batch_size={number}"))
        assert status == "failed" and said in error
    assert states(run)["bright"] == ("complete", "") and run.status == "incomplete"


CANNOT_BE_IMPORTED = {
    "import a_package_that_nobody_has": "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
    "def (:": "SyntaxError: invalid syntax",
    "raise RuntimeError('CUDA driver version is insufficient')": "RuntimeError: CUDA driver version is insufficient",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "import os; os._exit(3)": "its process ended with exit code 3",
    "import numpy; numpy.no_such_name": "AttributeError: module 'numpy' has no attribute 'no_such_name'",
}


def test_files_that_cannot_be_imported_are_failed_rows_with_their_cure_and_the_others_are_computed(go, tmp_path):
    for number, source in enumerate(CANNOT_BE_IMPORTED):
        (tmp_path / f"bad{number}.py").write_text(source)
    run = go("", methods=[*(f"{tmp_path}/bad{n}.py:Mine" for n in range(len(CANNOT_BE_IMPORTED))), "bright"])
    for number, said in enumerate(CANNOT_BE_IMPORTED.values()):
        path = f"{tmp_path}/bad{number}.py"
        cell = next(cell for cell in results(run) if cell.method == f"{path}:Mine")
        assert cell.status == "failed" and f"{path} cannot be imported: {said}" in cell.error
        assert "Correct the file, or install what it imports" in cell.error
    assert states(run)["bright"] == ("complete", "")


def test_a_file_that_is_mended_is_a_row_like_any_other(go, tmp_path):
    (tmp_path / "bad.py").write_text("import a_package_that_nobody_has")
    assert states(go("", methods=[f"{tmp_path}/bad.py:Mine"]))["Mine"][0] == "failed"
    (tmp_path / "bad.py").write_text(METHOD)
    assert states(go("", methods=[f"{tmp_path}/bad.py:Mine"]))["Mine"] == ("complete", "")


def test_keys_that_a_users_config_refuses_are_errors_before_any_work(go, stand_ins, data_root, tmp_path):
    go("", methods=["bright"], folder="other")
    name = f"{tmp_path}/mine.py:Mine"
    grid = stand_ins.make_grid(data_root, [{name: {"levle": 1}}, {"bright": {}}])
    with pytest.raises(ConfigError, match=f"method '{name}': unknown key 'levle'. Did you mean 'level'"):
        plan_run(grid, go.registry, RunFolder(tmp_path / "run"), print)
    with pytest.raises(ConfigError, match="has no class 'Mien'"):
        plan_run(stand_ins.make_grid(data_root, [f"{tmp_path}/mine.py:Mien"]), go.registry, RunFolder(tmp_path / "run"), print)


def test_a_method_that_hangs_is_killed_at_its_time_limit_even_inside_a_library(go):
    hang = "import ctypes\nMine.predict = lambda self, qs: ctypes.CDLL(None).sleep(3600)\n"
    run = go(f"\n{hang}", timeout_s=4)
    status, error = states(run)["Mine"]
    assert status == "failed" and "stopped after 4 s. Raise execution.timeout_s" in error
    assert states(run)["bright"] == ("complete", "")


def test_a_process_that_dies_is_tried_once_more_and_resumes_where_it_stopped(go, tmp_path):
    dies = f"""
def _predict(self, queries):
    for query in queries:
        open('{tmp_path}/seen', 'a').write(query.sample_id + '\\n')
        if {BAD} and not os.path.exists('{tmp_path}/died'):
            open('{tmp_path}/died', 'w'); os._exit(9)
    return [self.one(query) for query in queries]
Mine.predict = _predict
"""
    run = go(dies)
    assert run.status == "complete"
    seen = (tmp_path / "seen").read_text().split()
    assert sorted(set(seen)) == sorted(f"{m}/test{n}#0" for m in ("brain_mri", "skin_rgb") for n in range(5))
    first = next(cell for cell in run.plan.cells if "mine.py" in cell.method)
    attempts = NodeFolder(run.setting.run.cell(first.folder)).attempts
    assert [attempt["reason"] for attempt in attempts] == ["worker death", None] and seen.count("brain_mri/test0#0") == 1


def test_what_a_users_method_prints_also_from_c_is_in_its_log_whatever_the_characters(go):
    prints = """
def _predict(self, queries):
    print("says \\ud83d")
    os.system("echo from a program")
    return [self.one(query) for query in queries]
Mine.predict = _predict
"""
    run = go(prints)
    log = (run.setting.run.cell(run.plan.cells[0].folder) / "log.txt").read_text()
    assert "says \\ud83d\n" in log and "from a program\n" in log and statuses(run)[0] == ["ok"] * 5


def test_a_thread_left_behind_and_another_working_folder_end_with_the_process(go, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leaves = (
        "\nMine.load = lambda self, folder, device: (threading.Thread(target=time.sleep, args=(3600,)).start(), os.chdir('/'))\n"
    )
    run = go(leaves)
    assert run.status == "complete" and Path.cwd() == tmp_path and run.setting.folder.is_absolute()
