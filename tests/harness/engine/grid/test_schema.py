"""The error of an unusable grid names the key, its place, and the nearest known one."""

import pytest
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.grid.packaged import packaged_grids

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
        ("name: mine", "name: [", "line 4: this is not plain YAML"),
        ("name: mine", "name: mine\nseeds: [0, 0]", "listed twice: 0"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, said):
    path = written(tmp_path, GRID.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        load_grid(path)
    assert said in str(error.value) and "grid.yaml" in str(error.value)


@pytest.mark.parametrize("given", ["0", "many"])
def test_a_key_of_two_kinds_is_one_complaint(tmp_path, given):
    with pytest.raises(ConfigError, match="workers: expected 'auto' or a whole number of 1 to 100,000, got") as error:
        load_grid(written(tmp_path, GRID), [f"execution.workers={given}"])
    assert "\n" not in str(error.value)


def test_changes_from_the_command_line_override_the_file(tmp_path):
    changes = ["seeds=[0,1]", "data.0.train=9", "execution.workers=3"]
    grid = load_grid(written(tmp_path, GRID), changes)
    assert (grid.seeds, grid.data[0].train, grid.execution.workers) == ((0, 1), 9, 3)


def test_a_change_of_one_row_leaves_the_row_that_shares_its_keys_by_a_yaml_alias(tmp_path):
    aliased = GRID.replace("{batch_size: 4}", "&same {batch_size: 4}") + "  - unet: *same\n"
    grid = load_grid(written(tmp_path, aliased), ["methods.unet.batch_size=8"], data_root=tmp_path)
    assert {choice.name: choice.overrides.get("batch_size") for choice in grid.methods[1:]} == {"cg_reasoner": 4, "unet": 8}


def test_a_method_is_changed_by_its_name_in_either_form(tmp_path):
    grid = load_grid(written(tmp_path, GRID), ["methods.oracle.batch_size=2", "methods.cg_reasoner.epochs=3"])
    assert [dict(choice.overrides) for choice in grid.methods] == [{"batch_size": 2}, {"batch_size": 4, "epochs": 3}]


def test_a_key_in_a_group_of_a_methods_config_is_changed_alone(tmp_path):
    grouped = GRID.replace("- oracle", "- oracle:").replace("{batch_size: 4}", "{language: {width: 64}}")
    changes = ["methods.cg_reasoner.language.steps=3", "methods.cg_reasoner.text2centroid.steps=5", "methods.oracle.batch_size=2"]
    oracle, reasoner = load_grid(written(tmp_path, grouped), changes).methods
    assert dict(reasoner.overrides) == {"language": {"width": 64, "steps": 3}, "text2centroid": {"steps": 5}}
    assert dict(oracle.overrides) == {"batch_size": 2}


@pytest.mark.parametrize("change", ["seeds", "data.7.train=1", "name.x=1", "methods.no_such_method.epochs=1"])
def test_a_change_that_fits_nowhere_is_refused(tmp_path, change):
    with pytest.raises(ConfigError, match="--set"):
        load_grid(written(tmp_path, GRID), [change])


def test_an_unknown_grid_names_the_nearest_and_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ConfigError, match="No grid is called 'defualt'. Did you mean 'default'?"):
        load_grid("defualt")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_grid(str(tmp_path / "none.yaml"))


def test_every_packaged_grid_can_be_read_and_opens_with_its_cost():
    assert set(packaged_grids()) == {"default", "full", "real", "smoke"}
    for name, first_line in packaged_grids().items():
        assert load_grid(name).name == name and "minutes" in first_line


@pytest.mark.parametrize(
    ("written_keys", "said"),
    [
        (
            "methods: [{cg_reasoner: {epoch: 3}}]\nseeds: [0]",
            "line 4: method 'cg_reasoner': unknown key 'epoch'. Did you mean",
        ),
        (
            "methods:\n  - oracle\n  - cg_reasoner:\n      epochs: few",
            "line 7: method 'cg_reasoner': epochs: Input",
        ),
        (
            "methods:\n  - cg_reasoner:\n      epochs: 1\n      language: {steps: 1,\n        stps: 2}",
            "line 8: method 'cg_reasoner': unknown key 'language.stps'. Did you mean 'steps'?",
        ),
        (
            "methods: [cg_reasoner]\nsweeps:\n  - {method: cg_reasoner, over: {language.stps: [1]}}",
            "method 'cg_reasoner': unknown key 'language.stps'. Did you mean 'steps'?",
        ),
        (
            "methods: [cg_reasoner]\nablations:\n  - {method: cg_reasoner, change: {langage.steps: [1]}}",
            "method 'cg_reasoner': unknown key 'langage'. Did you mean 'language'?",
        ),
        ("methods:\n  - orcale", "No method is called 'orcale'. Did you mean 'oracle'?"),
        ("methods: [oracle]\nexecution:\n  resources:\n    orcale: {cpus: 2}", "No method or part is called 'orcale'"),
        (
            "methods: [oracle]\nexecution:\n  resources:\n    oracle: {cpu: 2}",
            "unknown key 'execution.resources.oracle.cpu'",
        ),
    ],
)
def test_a_mistake_in_a_methods_own_keys_is_named_with_its_line(tmp_path, written_keys, said):
    from prsbench.harness.cli.opening import registry
    from prsbench.harness.engine.plan.choices import resolved

    with pytest.raises(ConfigError) as error:
        resolved(load_grid(written(tmp_path, f"name: mine\ndata:\n  - source: phantoms\n{written_keys}\n")), registry())
    assert said in str(error.value)


def test_a_key_given_twice_is_refused_and_not_resolved_by_the_last(tmp_path):
    with pytest.raises(ConfigError, match="line 10: 'name' is given twice, first in line 2"):
        load_grid(written(tmp_path, f"{GRID}name: other\n"))


def test_yaml_cannot_make_objects(tmp_path):
    with pytest.raises(ConfigError, match=r"line 2: this is not plain YAML \(could not determine a constructor"):
        load_grid(written(tmp_path, GRID.replace("mine", "!!python/object/apply:os.getcwd []")))


def test_a_sweep_makes_every_combination_a_separate_row(tmp_path):
    sweep = "sweeps:\n  - {method: cg_reasoner, over: {epochs: [1, 2], bridge: [none, hidden]}}\n"
    grid = load_grid(written(tmp_path, GRID + sweep))
    assert [choice.row for choice in grid.rows] == [
        "oracle",
        "cg_reasoner@epochs=1,bridge=none",
        "cg_reasoner@epochs=1,bridge=hidden",
        "cg_reasoner@epochs=2,bridge=none",
        "cg_reasoner@epochs=2,bridge=hidden",
    ]
    assert dict(grid.rows[2].overrides) == {"batch_size": 4, "epochs": 1, "bridge": "hidden"}


def test_a_sweep_over_a_key_in_a_group_leaves_the_groups_other_keys(tmp_path):
    sweep = "sweeps:\n  - {method: cg_reasoner, over: {language.steps: [1, 2], text2centroid.steps: [3], epochs: [4]}}\n"
    grid = load_grid(written(tmp_path, GRID.replace("{batch_size: 4}", "{language: {width: 64}}") + sweep))
    assert [choice.row for choice in grid.rows[1:]] == [
        "cg_reasoner@language.steps=1,text2centroid.steps=3,epochs=4",
        "cg_reasoner@language.steps=2,text2centroid.steps=3,epochs=4",
    ]
    expected = {"language": {"width": 64, "steps": 2}, "text2centroid": {"steps": 3}, "epochs": 4}
    assert dict(grid.rows[2].overrides) == expected


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("{method: lisa, over: {epochs: [1]}}", "'lisa' is not among the methods of this grid"),
        ("{method: oracle, over: {}}", "at least 1"),
        ("{method: oracle, over: {batch_size: [1, 1]}}", "could not be told apart"),
    ],
)
def test_a_sweep_that_makes_no_rows_of_its_own_is_refused(tmp_path, sweep, said):
    with pytest.raises(ConfigError, match=said):
        load_grid(written(tmp_path, f"{GRID}sweeps:\n  - {sweep}\n"))


def test_the_resolved_grid_shows_every_key_and_reads_back_as_the_same_rows(tmp_path):
    import yaml
    from prsbench.harness.cli.opening import registry
    from prsbench.harness.engine.plan.choices import resolved

    whole = resolved(load_grid(written(tmp_path, GRID)), registry())
    assert whole["methods"][1]["cg_reasoner"]["lora"]["rank"] == 16 and whole["execution"]["retries"] == 1
    again = load_grid(written(tmp_path, yaml.safe_dump(whole)))
    assert resolved(again, registry()) == whole


def test_the_schema_accepts_every_packaged_grid_and_refuses_an_unknown_key():
    import yaml
    from prsbench.harness.cli.opening import registry
    from prsbench.harness.engine.grid.packaged import GRIDS
    from prsbench.harness.engine.plan.choices import grid_schema

    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(grid_schema(registry()))
    for path in GRIDS.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        assert not list(check.iter_errors(content)), path
        assert list(check.iter_errors({**content, "metods": []}))
        assert list(check.iter_errors({**content, "methods": [{"cg_reasoner": {"epoch": 3}}]}))
        assert list(check.iter_errors({**content, "methods": ["orcale"]}))
