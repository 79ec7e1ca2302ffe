"""A grid that cannot be used as written says which key, where, and the nearest known one."""

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.config import load_grid
from prsbench.harness.engine.grid_files import packaged_grids

GRID = """# A grid.
name: mine
data:
  - source: phantoms
    train: 4
  - source: prs_med
methods:
  - oracle
  - cg_reasoner: {batch_size: 4}
"""


def written(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return str(path)


def test_short_and_long_forms_of_methods_are_read(tmp_path):
    grid = load_grid(written(tmp_path, GRID), data_root=tmp_path)
    assert [(choice.name, dict(choice.overrides)) for choice in grid.methods] == [
        ("oracle", {}),
        ("cg_reasoner", {"batch_size": 4}),
    ]
    assert grid.data[0].drawing().train == 4 and grid.data[1].root == tmp_path
    assert grid.seeds == (0,) and grid.split == "test"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("methods:", "metods:", "line 7: unknown key 'metods'. Did you mean 'methods'?"),
        ("train: 4", "traim: 4", "line 5: unknown key 'data.0.phantoms.traim'. Did you mean 'train'?"),
        ("name: mine", "name: mine\nexecution: {wrokers: 2}", "unknown key 'execution.wrokers'. Did you mean 'workers'?"),
        ("source: phantoms", "source: phantom", "phantom"),
        ("train: 4", "train: many", "data.0.phantoms.train: Input should be a valid integer"),
        ("- oracle", "- oracle\n  - oracle", "listed twice: oracle"),
        ("name: mine", "name: ../mine", "name: String should match pattern"),
        ("name: mine", "name: [", "is not YAML"),
        ("name: mine", "name: mine\nseeds: [0, 0]", "listed twice: 0"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, said):
    path = written(tmp_path, GRID.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_grid(path)
    assert said in str(error.value) and "grid.yaml" in str(error.value)


def test_changes_from_the_command_line_are_laid_over_the_file(tmp_path):
    changes = ["seeds=[0,1]", "data.0.train=9", "execution.workers=3"]
    grid = load_grid(written(tmp_path, GRID), changes)
    assert (grid.seeds, grid.data[0].train, grid.execution.workers) == ((0, 1), 9, 3)


def test_a_method_is_changed_by_its_name_in_either_form(tmp_path):
    grid = load_grid(written(tmp_path, GRID), ["methods.oracle.batch_size=2", "methods.cg_reasoner.epochs=3"])
    assert [dict(choice.overrides) for choice in grid.methods] == [{"batch_size": 2}, {"batch_size": 4, "epochs": 3}]


@pytest.mark.parametrize("change", ["seeds", "data.7.train=1", "name.x=1", "methods.no_such_method.epochs=1"])
def test_a_change_that_fits_nowhere_is_refused(tmp_path, change):
    with pytest.raises(ConfigError, match="--set"):
        load_grid(written(tmp_path, GRID), [change])


def test_an_unknown_grid_names_the_nearest_and_a_missing_file_is_said(tmp_path):
    with pytest.raises(ConfigError, match="No grid is called 'defualt'. Did you mean 'default'?"):
        load_grid("defualt")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_grid(str(tmp_path / "none.yaml"))


def test_every_packaged_grid_can_be_read_and_opens_with_its_cost():
    assert set(packaged_grids()) == {"default", "real", "smoke"}
    for name, first_line in packaged_grids().items():
        assert load_grid(name).name == name and "minutes" in first_line
