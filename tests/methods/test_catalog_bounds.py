"""Every value of every row's and part's config has bounds, and what lies beyond them is refused by file and line."""

import math

import pytest
from prsbench.harness.cli.opening import registry
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.config import merged
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.plan.choices import check_choices, grid_schema
from prsbench.methods.catalog import METHODS, PARTS
from pydantic import BaseModel

ENTRIES = {entry.config: entry for catalog in (PARTS, METHODS) for entry in catalog.values()}  # one of each config
ODD = [0, -1, -0.5, 0.5, 2, math.inf, -math.inf, math.nan, 1e308, 10**30, -(10**30), True, "", "x", "inf", "1e400", None, [], {}]
ODD += [[0], [-1], [math.nan], ["x"], {"x": 1}, [[]], b"x", "0" * 5000, 10**5000, {1: 2}, [None], "\ud800", "\0"]


def fields(config, path=()):
    """The path of every key of a config, also in its groups."""
    for name, field in config.model_fields.items():
        yield (*path, name)
        if isinstance(field.default, BaseModel):
            yield from fields(type(field.default), (*path, name))


def at(path, value):
    return {path[0]: value if len(path) == 1 else at(path[1:], value)}


def numbers(schema, path=()):
    """(path, schema) of every number in a JSON Schema."""
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield path, schema
        for key, inner in schema.items():
            yield from numbers(inner, (*path, key))
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from numbers(inner, (*path, index))


def test_every_number_that_a_grid_can_set_has_a_least_and_a_greatest_value():
    schemas = {name: resolve(entry.config).model_json_schema() for name, entry in PARTS.items()}
    found = list(numbers({"grid": grid_schema(registry()), **schemas}))
    assert len(found) > 300
    without = [
        ".".join(map(str, path))
        for path, number in found
        if not number.keys() & {"minimum", "exclusiveMinimum"} or not number.keys() & {"maximum", "exclusiveMaximum"}
    ]
    assert not without


@pytest.mark.parametrize("name", ENTRIES)
def test_an_odd_value_of_any_key_is_refused_or_taken_and_no_traceback(name):
    entry, config = ENTRIES[name], resolve(name)
    for path in fields(config):
        for value in ODD:
            try:
                taken = validated(config, merged(entry.defaults, at(path, value)), lambda _: "line 7: ")
            except ConfigError as error:
                refusal = str(error)
                assert refusal.startswith("line 7: ") and len(refusal) < 5000
            else:
                values = taken.model_dump(mode="json")
                taken.needs(), taken.checkpoints()
                for key in path:
                    values = values[key]
                assert not isinstance(values, float) or math.isfinite(values)


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("oracle", "batch_size: 0"),
        ("whole_image", "batch_size: -1"),
        ("unet", "epochs: 0"),
        ("unet", "epochs: yes"),
        ("unet", "learning_rate: -1"),
        ("unet", "learning_rate: 0"),
        ("unet", "learning_rate: .nan"),
        ("unet", "gradient_clip: .inf"),
        ("unet", "weight_decay: -.inf"),
        ("unet", "image_size_px: 1000000000000000000000000"),
        ("cg_reasoner", "lora: {dropout: 1}"),
        ("cg_reasoner", "lora: {rank: 0}"),
        ("cg_reasoner", "losses: {text_weight: 1.0e+308}"),
        ("cg_reasoner", "augmentation: {zoom: 1}"),
        ("cg_reasoner", "language: {token_side: 0}"),
        ("cg_reasoner", "text2centroid: {weights: retrain, hidden: [16, 0]}"),
        ("lite_medsam_jittered_box", "box_jitter_fraction: -3"),
        ("mean_mask_frequent_answer", "grid_px: 0"),
        ("oracle_shuffled_answer", "shuffle_seed: -1"),
        ("lisa_7b", "checkpoint: ''"),
        ("cg_reasoner_own_mask_text", "config: {epochs: 0}"),
    ],
)
def test_a_value_out_of_range_is_refused_by_file_and_line_wherever_it_is_set(row, path, tmp_path):
    key, _, value = path.partition(": ")
    grid = tmp_path / "grid.yaml"
    start = "name: g\ndata: [{source: phantoms}]\nmethods:\n"
    grid.write_text(f"{start}  - {row}:\n      {path}\n")
    with pytest.raises(ConfigError, match="grid.yaml line 5: "):
        check_choices(load_grid(str(grid)), registry())
    grid.write_text(f"{start}  - {row}\n")
    with pytest.raises(ConfigError, match=f"^--set methods.{row}.{key}=.*grid.yaml line 4: "):
        check_choices(load_grid(str(grid), [f"methods.{row}.{key}={value}"]), registry())
    for kind, group in (("sweeps", "over"), ("ablations", "change")):
        grid.write_text(f"{start}  - {row}\n{kind}:\n  - method: {row}\n    {group}: {{{key}: [{value}]}}\n")
        with pytest.raises(ConfigError, match="grid.yaml line 7: "):
            check_choices(load_grid(str(grid)), registry())
