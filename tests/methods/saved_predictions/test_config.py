import pytest
from prsbench.harness.cli.opening import registry
from prsbench.harness.contract.errors import ConfigError, MissingPrerequisite
from prsbench.harness.contract.types import PromptSource, TextSource, Weights
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.plan.choices import check_choices, resolve_choices
from prsbench.methods.catalog import METHODS
from prsbench.methods.saved_predictions.config import SavedPredictionsConfig
from prsbench.methods.saved_predictions.method import SavedPredictions


def grid_of(tmp_path, *rows):
    path = tmp_path / "grid.yaml"
    path.write_text("name: g\ndata: [{source: phantoms}]\nmethods:\n" + "".join(f"  - {row}\n" for row in rows))
    return load_grid(str(path))


def test_a_row_is_called_as_the_user_wrote_it_and_several_stand_in_one_grid(tmp_path):
    stated = "prompt_source: oracle_box, weights: Ours 7B, text_source: own_mask"
    grid = grid_of(tmp_path, f"saved:my model-2: {{from: a, {stated}}}", f"saved:other: {{from: b.csv, {stated}}}")
    found = {row: config for row, _, config in resolve_choices(grid, registry())}
    assert [*found] == ["saved:my model-2", "saved:other"]
    dumped = found["saved:other"].model_dump(mode="json")
    assert dumped["from"] == "b.csv" and SavedPredictionsConfig.model_validate(dumped) == found["saved:other"]
    labels = SavedPredictions(found["saved:other"]).labels
    assert (labels.prompt_source, labels.weights) == (PromptSource.ORACLE_BOX, Weights.STATED)
    assert labels.text_source == TextSource.OWN_MASK and "weights, stated by the user: Ours 7B" in labels.notes


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("saved:x: {from: a}", "state prompt_source, weights, text_source"),
        ("saved:x: {from: a, prompt_source: question, text_source: generated}", "state weights"),
        ("saved:x: {from: a, prompt_source: guess, weights: w, text_source: generated}", "prompt_source"),
        ("saved:x: {form: a}", "Did you mean 'from'"),
        ("saved:x: {from: a, prompt_source: question, weights: w, text_source: generated, white: 256}", "white"),
        ("saved:a/b: {from: a}", "No method is called 'saved:a/b'"),
        ("saved:../b: {from: a}", "No method is called"),
    ],
)
def test_what_is_not_stated_or_misspelt_is_refused_before_any_work(row, says, tmp_path):
    with pytest.raises(ConfigError, match=says):
        check_choices(grid_of(tmp_path, row), registry())


@pytest.mark.parametrize("place", [None, "nowhere", "nowhere.csv"])
def test_files_that_are_not_there_skip_the_row_with_instructions(place):
    stated = {"prompt_source": "question", "weights": "w", "text_source": "generated"}
    config = SavedPredictionsConfig.model_validate({"from": place, **stated})
    config.checkpoints()
    assert config.note_on({"a"}) == ""
    with pytest.raises(MissingPrerequisite, match="prsbench queries"):
        SavedPredictions(config).load(None, "cpu")


def test_the_catalog_lists_the_row_once_under_its_plain_name():
    assert [name for name in METHODS if name.startswith("saved")] == ["saved"]
