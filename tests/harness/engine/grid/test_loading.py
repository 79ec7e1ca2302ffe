"""A grid that is no text, no file, or changed in an odd way is refused in a sentence that names the file and what exists."""

import os
import threading

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.grid.loading import load_grid

GRID = """name: g
data:
  - {source: phantoms, train: 2}
methods:
  - oracle
  - my.net.py:Net
  - ../nets/my.py:Net: {width: 3}
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text(GRID)
    return str(path)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_and_without_its_mark(codec, tmp_path):
    (tmp_path / "g.yaml").write_bytes(f"# größe\n{GRID}".encode(codec))
    assert load_grid(str(tmp_path / "g.yaml")).name == "g"


@pytest.mark.parametrize("codec", ["latin-1", "cp1252", "utf-16", "utf-32"])
def test_another_encoding_is_refused_by_line_and_byte(codec, tmp_path):
    (tmp_path / "g.yaml").write_bytes(f"name: g # größe\n{GRID}".encode(codec))
    with pytest.raises(ConfigError, match="g.yaml line 1: byte 0x.. is not UTF-8"):
        load_grid(str(tmp_path / "g.yaml"))


@pytest.mark.parametrize("name", ["g.yaml", "g"])
def test_what_is_no_file_is_refused_without_waiting_for_it(name, tmp_path):
    def folder(path):
        path.mkdir()

    def device(path):
        path.symlink_to("/dev/zero")

    def loop(path):
        path.symlink_to(path)

    for number, (make, what) in enumerate([(folder, "a folder"), (os.mkfifo, "a pipe"), (device, "a device")]):
        path = tmp_path / f"{number}{name}"
        make(path)
        with pytest.raises(ConfigError, match=f"the grid file cannot be read .it is {what}, not a file"):
            load_grid(str(path))
    loop(tmp_path / "loop.yaml")
    with pytest.raises(ConfigError, match="the grid file cannot be read"):
        load_grid(str(tmp_path / "loop.yaml"))
    assert threading.active_count() < 10


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("x" * 5000 + ".yaml", "cannot be read .File name too long"),
        ("x" * 5000, "No grid is called 'x{200}...'"),
        ("a/" * 4000 + "g.yaml", "cannot be read .File name too long"),
        ("", "cannot be read|No grid is called"),
    ],
)
def test_a_name_that_no_file_can_have_is_shortened_in_the_message(path, said):
    with pytest.raises(ConfigError, match=said) as error:
        load_grid(path)
    assert len(str(error.value)) < 1000


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "g.yaml").open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(ConfigError, match="more than 800,000 bytes"):
        load_grid(str(tmp_path / "g.yaml"))


def test_a_method_from_a_file_is_changed_by_its_name_which_holds_dots(grid):
    changes = ["methods.my.net.py:Net.width=4", "methods.../nets/my.py:Net.width=5", "execution.resources.my.net.py:Net.cpus=2"]
    loaded = load_grid(grid, changes)
    assert [dict(choice.overrides) for choice in loaded.methods] == [{}, {"width": 4}, {"width": 5}]
    assert loaded.execution.resources["my.net.py:Net"].cpus == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("methods.orcale.batch_size=2", "Did you mean 'methods.oracle'. Known: oracle, my.net.py:Net, ../nets/my.py:Net"),
        ("methods.my.net.py:Met.width=2", "Did you mean 'methods.my.net.py:Net'"),
        ("data.3.train=1", "'data' has no '3'. Known: items 0 to 0"),
        ("data.-1.train=1", "'data' has no '-1'"),
        ("data.².train=1", "'data' has no '²'"),
        ("data.9999999999999999999999.train=1", "'data' has no '9+'"),
        ("name.x=1", "'name' is str 'g', which has no keys"),
        ("naem=x", "unknown key 'naem'. Did you mean 'name'. Known: ablations"),
        ("=1", "unknown key ''"),
        ("x", "expected a.b=value, got no '='"),
        ("seeds=[0, 010]", "an octal number"),
        ("seeds=&a [*a]", "refers to itself"),
        ("seeds=" + "[" * 5000, "more than 40 levels deep"),
        ("seeds.0=4", "^--set seeds.0=4: .*seeds: Input should be a list"),
        ("seeds=[-1]", "seeds.0: Input should be greater than or equal to 0, got -1.$"),
        ("seeds=[yes]", "seeds: expected a number, got .True"),
        ("seeds=[1e400]", "seeds.0: Input should be a valid integer"),
        ("seeds=[" + "9" * 4000 + "]", "seeds.0: .* got 9+... .4,000 characters.|seeds.0"),
        ("data.0.train=0", "line 3: data.0.phantoms.train: Input should be greater than or equal to 1, got 0.$"),
        ("data.0.train=.inf", "line 3: data.0.phantoms.train"),
        ("data.0.train=yes", "line 3: data.0.phantoms.train"),
        ("data.0.two_share=.nan", "line 3: data.0.phantoms.two_share: Input should be a finite number"),
        ("data.0.modalities=[]", "line 3: data.0.phantoms.modalities"),
        ("data.0.modalities=[breast_us, breast_us]", "listed twice"),
        ("name=" + "x" * 200, "name: String should have at most 100 characters"),
        ("name=no", "name: Input should be a valid string, got False .YAML reads yes, no"),
        ("name=2024-01-01", "name: Input should be a valid string, got datetime.date.2024, 1, 1. .YAML reads"),
        ("execution.timeout_s=.inf", "execution.timeout_s: Input should be a finite number"),
        ("execution.timeout_s=0", "execution.timeout_s: Input should be greater than 0"),
        ("execution.retries=-1", "execution.retries"),
        ("execution.threads_per_worker=0", "execution.threads_per_worker"),
        ("execution.resources={oracle: {gpus: .nan}}", "execution.resources.oracle.gpus"),
        ("sweeps=[{method: oracle, over: {batch_size: []}}]", "sweeps.0.over.batch_size"),
        ("exclude=[{seed: -1}]", "exclude.0.seed"),
    ],
    ids=lambda value: value[:30],
)
def test_a_change_that_cannot_be_made_says_what_was_given_and_what_exists(grid, change, said):
    with pytest.raises(ConfigError, match=said) as error:
        load_grid(grid, ["execution.workers=2", change])
    assert str(error.value).startswith("--set ") and len(str(error.value)) < 1500 and "workers" not in str(error.value)[:30]
    assert "\n" not in str(error.value)


def test_a_sweep_of_more_rows_than_any_run_can_hold_is_refused_before_they_are_made(tmp_path):
    values = f"[{', '.join(map(str, range(1, 400)))}]"
    sweeps = f"sweeps:\n  - method: oracle\n    over: {{batch_size: &v {values}, box_jitter_fraction: *v, a: *v, b: *v}}\n"
    (tmp_path / "g.yaml").write_text(GRID + sweeps)
    with pytest.raises(ConfigError, match="sweeps: expected at most 10,000 rows, got 25,344,958,401"):
        load_grid(str(tmp_path / "g.yaml"))


def test_of_a_thousand_wrong_values_twenty_are_listed(tmp_path):
    (tmp_path / "g.yaml").write_text(f"{GRID}seeds: [{', '.join(['-1'] * 1000)}]\n")
    with pytest.raises(ConfigError, match="\nand 980 more$"):
        load_grid(str(tmp_path / "g.yaml"))
