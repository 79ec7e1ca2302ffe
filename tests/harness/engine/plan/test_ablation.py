"""An ablation is a grid: its rows, its seeds, and what it takes over from the original grid."""

import pytest
from prsbench.harness.cli.opening import registry
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.driver.forecast import estimate
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.grid.packaged import packaged_settings
from prsbench.harness.engine.plan import ablation
from prsbench.harness.engine.plan.ablation import ablation_grid
from prsbench.harness.engine.plan.choices import resolved
from prsbench.harness.report.tables import verdict


def grid_of(*changes):
    return load_grid("smoke", ["methods=[cg_reasoner, oracle]", "methods.cg_reasoner.epochs=3", *changes])


def flat(config, group=""):
    """Every value with its key, of groups with dots."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flat(value, f"{group}{key}.")
        else:
            yield f"{group}{key}", tuple(value) if isinstance(value, list) else value


def test_each_row_but_the_parent_differs_from_it_in_one_value_which_is_not_its_own():
    grid = ablation_grid("text2centroid", registry(), grid_of())
    parent, *variants = resolved(grid, registry())["methods"]
    (plain,) = parent.values()
    assert list(parent) == ["cg_reasoner"] and plain["epochs"] == 3
    assert len(variants) == 9
    for variant in variants:
        ((row, config),) = variant.items()
        ((key, value),) = dict(flat(config)).items() - dict(flat(plain)).items()
        assert row == f"cg_reasoner@{key}={value}"


@pytest.mark.parametrize("parent", [{}, {"bridge": "none"}, {"bridge": "soft_tokens", "losses": {"spatial_weight": 2.0}}])
def test_it_studies_every_bridge_target_reach_and_condition_but_the_parents_own(parent):
    changes = [f"methods.cg_reasoner.{key}={value}" for key, value in parent.items()]
    rows = {choice.row for choice in ablation_grid("text2centroid", registry(), grid_of(*changes)).rows}
    config = resolve(registry().methods["cg_reasoner"].config)
    for key in ("bridge", "spatial_target", "spatial_reaches", "mask_condition"):
        field = config.model_fields[key]
        own = parent.get(key, field.default)
        expected = {f"cg_reasoner@{key}={value}" for value in set(field.annotation.__args__) - {own}}
        assert {row for row in rows if f"@{key}=" in row} == expected


def test_it_changes_keys_in_groups_of_the_config(monkeypatch, tmp_path):
    (tmp_path / "language.yaml").write_text(
        "# L\nmethod: cg_reasoner\nchange: {language.steps: [5, 6], text2centroid.weights: [retrain]}\n"
    )
    monkeypatch.setattr(ablation, "ABLATIONS", tmp_path)
    monkeypatch.setattr(ablation, "packaged_ablations", lambda: ["language"])
    grid = ablation_grid("language", registry(), grid_of("methods.cg_reasoner.language={weights: retrain, steps: 5, width: 64}"))
    rows = {row: config for line in resolved(grid, registry())["methods"] for row, config in line.items()}
    assert list(rows) == ["cg_reasoner", "cg_reasoner@language.steps=6", "cg_reasoner@text2centroid.weights=retrain"]
    assert [(config["language"]["steps"], config["language"]["width"]) for config in rows.values()] == [(5, 64), (6, 64), (5, 64)]
    assert rows["cg_reasoner@text2centroid.weights=retrain"]["text2centroid"]["weights"] == "retrain"


@pytest.mark.parametrize(("given", "seeds"), [("[0]", (0, 1, 2)), ("[4, 5]", (0, 1, 2)), ("[3, 4, 5, 6]", (3, 4, 5, 6))])
def test_there_are_never_fewer_than_three_seeds(given, seeds):
    assert ablation_grid("text2centroid", registry(), grid_of(f"seeds={given}")).seeds == seeds


def test_data_execution_and_fitting_filters_stay_and_the_name_is_its_own():
    asked = grid_of("execution={workers: 2}", "exclude=[{method: oracle}, {dataset: skin*}]")
    grid = ablation_grid("text2centroid", registry(), asked)
    assert (grid.data, grid.execution, grid.name) == (asked.data, asked.execution, "smoke-text2centroid")
    assert [str(each.dataset) for each in grid.exclude] == ["skin*"]


def test_a_filter_of_one_of_its_variants_stays():
    grid = ablation_grid("text2centroid", registry(), grid_of("exclude=[{method: cg_reasoner@losses.spatial_weight=0.1}]"))
    assert [each.method for each in grid.exclude] == ["cg_reasoner@losses.spatial_weight=0.1"]


def test_a_grid_without_the_method_takes_its_defaults():
    grid = ablation_grid("text2centroid", registry(), load_grid("smoke"))
    assert [dict(choice.overrides) for choice in grid.methods] == [{}]


@pytest.mark.parametrize("setting", sorted(packaged_settings("text2centroid")))
def test_a_setting_has_the_rules_seeds_and_images_and_a_control_for_every_row(setting):
    grid = ablation_grid("text2centroid", registry(), grid_of("seeds=[7]"), setting)
    assert len(grid.seeds) == verdict.SEEDS and all(data.test == verdict.IMAGES for data in grid.data)
    assert grid.name == f"smoke-text2centroid-{setting}"
    rows = {choice.row for choice in grid.rows}
    assert {verdict._control_of(row) for row in rows} < rows
    configs = [config for line in resolved(grid, registry())["methods"] for config in line.values()]
    assert all(config["epochs"] == 3 and config["spatial_reaches"] == "image_path" for config in configs)


def test_the_setting_with_points_asks_for_synthetic_images(tmp_path):
    with pytest.raises(ConfigError, match="needs synthetic data"):
        ablation_grid("text2centroid", registry(), load_grid("real", [f"data.0.root={tmp_path}"]), "points")
    assert ablation_grid("text2centroid", registry(), load_grid("real", [f"data.0.root={tmp_path}"]), "answers").seeds


def test_an_unknown_setting_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'answers'"):
        ablation_grid("text2centroid", registry(), grid_of(), "answer")


def test_an_unknown_ablation_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'text2centroid'"):
        ablation_grid("text2centriod", registry(), grid_of())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["ablations=[{method: unet, change: {epochs: [1]}}]"], "'unet' is not among the methods"),
        (["ablations=[{method: oracle, change: {}}]"], "ablations.0.change"),
        (["sweeps=[{method: oracle, over: {a: [1]}}]", "ablations=[{method: oracle, change: {b: [1]}}]"], "no plain row is left"),
        (["ablations=[{method: oracle, change: {a: [1, 1]}}]"], "could not be told apart"),
    ],
)
def test_an_ablation_that_cannot_be_read_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        load_grid("smoke", changes)


def test_its_estimate_takes_the_parents_time_for_every_variant(stand_ins, data_root, tmp_path):
    from prsbench.harness.engine.driver.run import plan_run, run_grid
    from prsbench.harness.engine.grid.loading import changed
    from prsbench.harness.engine.store.run_folder import RunFolder

    grid = stand_ins.make_grid(data_root, ["trained"], (0,))
    run_grid(grid, stand_ins.REGISTRY, RunFolder(tmp_path / "base"), lambda line: None, "serial")
    wider = changed(grid, ["ablations=[{method: trained, change: {secret: [a, b]}}]", "seeds=[0, 1]"])
    run = plan_run(wider, stand_ins.REGISTRY, RunFolder(tmp_path / "ablation"), lambda line: None)
    said = estimate(run, 2, tmp_path / "base")
    n = len(run.plan.cells) + len(run.plan.trainings)
    assert f"{n} nodes to compute: about" in said and "unknown" not in said
