"""Nodes, keys and dependencies of a plan."""

from dataclasses import replace

import pytest
from prsbench.harness.contract.catalog import Catalog, PackagedFile
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.grid.schema import GridConfig
from prsbench.harness.engine.plan import planning
from prsbench.harness.engine.plan.choices import Registry
from prsbench.harness.engine.plan.data import open_all
from prsbench.harness.engine.plan.nodes import Plan, units
from prsbench.harness.engine.plan.planning import make_plan
from prsbench.methods.catalog import METHODS, PACKAGED_JUDGE, PARTS


@pytest.fixture
def planned(stand_ins, data_root):
    def plan(methods=("bright", "trained"), root=data_root, seeds=(0,), registry=stand_ins.REGISTRY):
        return make_plan(stand_ins.make_grid(root, methods, seeds), open_all([root]), registry)

    return plan


def keys(plan):
    return {(cell.method, cell.dataset, cell.seed): cell.key for cell in plan.cells}


def test_one_training_serves_all_data_sets_of_a_seed(planned):
    plan = planned(seeds=(0, 1))
    trained = [node for node in plan.trainings.values() if node.name == "trained"]
    assert [node.seed for node in trained] == [0, 1]
    for node in trained:
        assert [cell.seed for cell in plan.cells if cell.training == node.key] == [node.seed] * 2
        assert plan.trainings[node.needs["part"]].split == "train"
    assert plan.trainings[plan.text_models_key].split == "val", "text is judged by a part that saw neither train nor test"
    assert set(plan.trainings[plan.text_models_key].origin["manifests"]) == {"val"}


def test_four_methods_share_one_embedding_of_the_training_images_whatever_the_seed(planned):
    sharing = ("prs_med", "medseg_r", "lisa_tiny", "pixellm_tiny")
    registry = Registry(METHODS, PARTS, "prsbench.methods.text2centroid.model:load_text_models", "text2centroid", PACKAGED_JUDGE)
    trainings = planned(sharing, seeds=(0, 1), registry=registry).trainings
    [features] = [key for key, node in trainings.items() if node.name == "lite_medsam_features"]
    users = {(node.name, node.seed) for node in trainings.values() if node.needs.get("features") == features}
    assert users == {(name, seed) for name in sharing for seed in (0, 1)}


def test_a_training_stands_after_what_it_needs(planned):
    order = list(planned().trainings)
    for node in planned().trainings.values():
        assert all(order.index(need) < order.index(node.key) for need in node.needs.values())


def test_the_same_data_in_another_folder_has_the_same_keys(planned, stand_ins, tmp_path):
    assert keys(planned(root=stand_ins.write_data(tmp_path / "copy"))) == keys(planned())


@pytest.mark.parametrize(
    ("where", "hits"),
    [
        ("brain_tumors_ct_scan/test_images/test0.png", {("bright", "brain_tumors_ct_scan"), ("trained", "brain_tumors_ct_scan")}),
        ("brain_tumors_ct_scan/train_images/train0.png", {("trained", "brain_tumors_ct_scan"), ("trained", "skin_rgbimage")}),
        ("brain_tumors_ct_scan.csv", {("bright", "brain_tumors_ct_scan"), ("trained", "brain_tumors_ct_scan")}),
    ],
)
def test_a_changed_byte_of_data_changes_the_keys_that_depend_on_it_and_no_other(planned, stand_ins, tmp_path, where, hits):
    root = stand_ins.write_data(tmp_path / "copy")
    path = root / where
    text = path.read_bytes()
    path.write_bytes(text.replace(b"Where is it in test1?", b"Where is it in test1!") if where.endswith("csv") else text + b"\0")
    old, new = keys(planned()), keys(planned(root=root))
    assert {
        (method, dataset) for method, dataset, seed in old if old[method, dataset, seed] != new[method, dataset, seed]
    } == hits


def test_config_and_seed_change_the_key_of_their_own_cells_alone(planned):
    old = keys(planned())
    new = keys(planned(methods=["bright", {"trained": {"secret": "x"}}], seeds=(0, 1)))
    assert {place for place in old if old[place] != new[place]} == {place for place in old if place[0] == "trained"}
    assert len(set(new.values())) == len(new)


def test_the_order_of_methods_and_their_neighbours_do_not_count(planned):
    assert keys(planned(methods=["trained", "echo", "bright"])).items() >= keys(planned()).items()


def test_changed_code_changes_the_key(planned, stand_ins):
    entries = dict(stand_ins.REGISTRY.methods)
    entries["bright"] = replace(entries["bright"], config="prsbench.methods.reference.config:FloorConfig", defaults={})
    old, new = keys(planned()), keys(planned(registry=replace(stand_ins.REGISTRY, methods=Catalog("method", entries.values()))))
    assert {place[0] for place in old if old[place] != new[place]} == {"bright"}


def test_a_part_made_without_its_weight_package_is_another_one_once_it_is_installed(planned, stand_ins, monkeypatch):
    weights = PackagedFile("some_weights", "some-weights==1", "model.bin", "")
    parts = Catalog("part", [replace(stand_ins.PART, packaged=(weights,))])
    registry = replace(stand_ins.REGISTRY, parts=parts)
    monkeypatch.setattr(planning, "packaged_hash", lambda file: "not installed")
    without = planned(registry=registry)
    monkeypatch.setattr(planning, "packaged_hash", lambda file: "abc")
    with_weights = planned(registry=registry)
    old, new = keys(without), keys(with_weights)
    assert {place[0] for place in old if old[place] != new[place]} == {"trained"}, "its cells need the part, `bright` does not"
    assert without.text_models_key != with_weights.text_models_key


def test_the_judge_enters_the_scoring_alone_and_another_file_of_its_weights_is_another_judge(stand_ins, data_root, monkeypatch):
    def plan(judge):
        grid = stand_ins.make_grid(data_root, ["bright"], more={"judge": judge})
        return make_plan(grid, open_all([data_root]), registry)

    weights = PackagedFile("some_weights", "some-weights==1", "model.bin", "")
    registry = replace(stand_ins.REGISTRY, packaged_judge=replace(stand_ins.REGISTRY.packaged_judge, packaged=(weights,)))
    plans = {judge: plan(judge) for judge in ("packaged", "val", "parser")}
    assert len({each.text_models_key for each in plans.values()}) == 3
    assert keys(plans["packaged"]) == keys(plans["val"]) == keys(plans["parser"]), "predictions do not depend on it"
    monkeypatch.setattr(planning, "packaged_hash", lambda file: "another file")
    assert plan("packaged").text_models_key != plans["packaged"].text_models_key


def test_a_checkpoint_in_a_group_of_keys_counts_by_its_bytes_and_not_by_its_place(planned, tmp_path):
    registry, plans = Registry(METHODS, PARTS, "", "text2centroid", PACKAGED_JUDGE), []
    for place, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / place).write_text(content)
        plans.append(planned([{"cg_reasoner": {"backbone": {"weights": str(tmp_path / place)}}}], registry=registry))
    assert keys(plans[0]) == keys(plans[1]) != keys(plans[2])


def test_a_plan_survives_its_file(planned):
    import json

    plan = planned()
    stored = json.loads(json.dumps(plan.to_json()))
    assert Plan.from_json(stored) == plan
    as_before = ["protocol", "trainings", "cells", "text_models", "measuring", "scoring"]  # older run folders hold these alone
    assert list(stored)[:6] == as_before and Plan.from_json({key: stored[key] for key in as_before}).cells == plan.cells


def test_rows_that_share_image_features_go_to_one_worker(planned):
    together = units(planned(methods=["bright", "boxed", "trained", "echo"], seeds=(0, 1)).cells)
    assert sorted([cell.method for cell in unit] for unit in together) == [
        *[["bright", "boxed"]] * 4,
        *[["echo"]] * 4,
        *[["trained"]] * 4,
    ]
    assert all(len({(cell.dataset, cell.seed) for cell in unit}) == 1 for unit in together)


def test_what_a_row_shares_is_no_part_of_its_cells_key(stand_ins, planned):
    changed = stand_ins.sharing("bright", "trained")
    assert keys(planned()) == keys(planned(registry=changed)), "it changes no number"
    [unit] = {tuple(cell.method for cell in unit) for unit in units(planned(registry=changed).cells)}
    assert unit == ("bright", "trained")


def test_rows_on_one_frozen_encoder_share_its_features_and_two_sizes_of_a_release_are_never_loaded_together():
    assert {METHODS[f"lite_medsam_{how}"].shares for how in ("oracle_box", "jittered_box", "automatic", "text_box")} == {
        "lite_medsam"
    }
    assert len({METHODS[name].shares for name in ("prs_med", "medseg_r", "lisa_tiny", "pixellm_tiny")} - {""}) == 1
    assert {METHODS[name].shares for name in ("lisa_7b", "lisa_13b", "oracle", "cg_reasoner")} == {""}


def test_includes_and_excludes_choose_cells_and_the_trainings_nobody_needs_go_with_them(stand_ins, data_root):
    def chosen(**filters):
        grid_ = stand_ins.make_grid(data_root, ["bright", "trained"], (0, 1), more=filters)
        plan = make_plan(grid_, open_all([data_root]), stand_ins.REGISTRY)
        return {(cell.method, cell.dataset[:5], cell.seed) for cell in plan.cells}, {n.name for n in plan.trainings.values()}

    cells, trainings = chosen(exclude=[{"method": "trained"}, {"dataset": "skin*", "seed": 1}])
    assert cells == {("bright", "brain", 0), ("bright", "brain", 1), ("bright", "skin_", 0)} and trainings == {"part"}
    cells, trainings = chosen(include=[{"method": "tr*", "seed": 1}])
    assert cells == {("trained", "brain", 1), ("trained", "skin_", 1)} and trainings == {"part", "trained"}
    with pytest.raises(ConfigError, match="no cell of this grid fits .*brihgt"):
        chosen(exclude=[{"method": "brihgt"}])


def test_rows_of_a_sweep_have_keys_and_folders_of_their_own(stand_ins, data_root):
    sweep = {"sweeps": [{"method": "bright", "over": {"secret": ["", "x"]}}]}
    plan = make_plan(stand_ins.make_grid(data_root, ["bright"], more=sweep), open_all([data_root]), stand_ins.REGISTRY)
    plain = make_plan(stand_ins.make_grid(data_root, ["bright"]), open_all([data_root]), stand_ins.REGISTRY)
    assert [cell.method for cell in plan.cells] == ["bright@secret="] * 2 + ["bright@secret=x"] * 2
    assert [cell.key for cell in plan.cells[:2]] == [cell.key for cell in plain.cells], "the same content, whatever it is called"
    assert len({cell.folder for cell in plan.cells}) == 4


def test_a_row_declares_what_it_needs_and_a_grid_may_say_otherwise_of_a_users_file_too(tmp_path):
    from prsbench.harness.cli.opening import registry
    from prsbench.harness.contract.catalog import WHOLE_GPU_GIB
    from prsbench.harness.engine.plan.choices import resolve_choices

    file = tmp_path / "mine.py"
    file.write_text(
        "from prsbench.harness.contract.config import MethodConfig\nclass MineConfig(MethodConfig): ...\nclass Mine: ...\n"
    )
    methods = [f"{file}:Mine", "oracle", "empty_constant", "lisa_7b", "sam_oracle_box", {"cg_reasoner": {"size": "paper"}}]
    content = {"name": "g", "data": [{"source": "phantoms"}], "methods": methods}
    content["execution"] = {"resources": {f"{file}:Mine": {"gpus": 0.25}, "saved:other": {"cpus": 2}}}
    with pytest.raises(ConfigError, match="No method or part is called 'saved:other'"):
        resolve_choices(GridConfig.model_validate(content), registry())
    del content["execution"]["resources"]["saved:other"]
    found = resolve_choices(GridConfig.model_validate(content), registry())
    mine, oracle, empty, lisa, sam, paper = ((entry.gpu_gib, config.gpu_gib()) for _, entry, config in found)
    assert oracle == empty == (0, None), "floors and ceilings use no GPU"
    assert mine[0] >= WHOLE_GPU_GIB and lisa[0] >= WHOLE_GPU_GIB > sam[0] > 0
    assert paper[1] >= WHOLE_GPU_GIB, "the paper's size has a 7B model"


def test_a_row_needs_no_less_than_the_training_whose_weights_it_loads(stand_ins, data_root):
    methods = Catalog("method", [replace(stand_ins.REGISTRY.methods["trained"], gpu_gib=2.0)])
    large = Catalog("part", [replace(stand_ins.PART, gpu_gib=24.0)])
    registry = replace(stand_ins.REGISTRY, methods=methods, parts=large)
    plan = make_plan(stand_ins.make_grid(data_root, ["trained"]), open_all([data_root]), registry)
    assert {node.gpu_gib for node in (*plan.trainings.values(), *plan.cells)} == {24.0}
