from dataclasses import replace

import numpy as np
import pytest
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.parts.language import small_llama
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.small_llama import LEVELS, SmallLlama, layout_of
from pydantic import ValidationError

TINY = dict(weights="retrain", layout_side=4, token_side=2, vocabulary=320, width=16, layers=1, heads=2, feed_forward=16, steps=3)


def test_a_place_is_level_zero_only_where_it_holds_no_foreground_at_all():
    mask = np.zeros((60, 90), bool)
    mask[29, 44] = True  # one pixel of the place in row 2, column 2 of a 6 x 6 layout
    mask[50:, 75:] = True
    layout = layout_of(mask, 6)
    assert layout[2, 2] == 1
    assert layout[5, 5] == LEVELS - 1
    assert np.count_nonzero(layout) == 2


def test_packaged_weights_need_no_training_and_weights_trained_here_one():
    assert SmallLlamaConfig(weights="packaged").trainings() == {}
    assert SmallLlamaConfig(**TINY).trainings()["small_llama"].config["steps"] == 3


def test_a_key_of_the_training_is_refused_with_packaged_weights():
    with pytest.raises(ValidationError, match="width, steps: no effect on packaged weights. Set `weights: retrain`"):
        SmallLlamaConfig(weights="packaged", steps=3, width=64)
    with pytest.raises(ValidationError, match="layout_side: 9 is not a multiple of token_side, 6"):
        SmallLlamaConfig(layout_side=9)


def test_the_packaged_weights_load_and_an_altered_file_is_refused(monkeypatch):
    packaged = SmallLlama.of(SmallLlamaConfig(weights="packaged"), None, "cpu")
    assert packaged.character_NKD.shape == (144, LEVELS, packaged.model.config.hidden_size)
    monkeypatch.setattr(small_llama, "SMALL_LLAMA", replace(small_llama.SMALL_LLAMA, sha256="0" * 64))
    with pytest.raises(PrsbenchError, match="expected sha256 0000"):
        SmallLlama.of(SmallLlamaConfig(weights="packaged"), None, "cpu")


def test_a_layout_of_another_side_than_the_packaged_one_is_refused():
    with pytest.raises(PrsbenchError, match=r"layout_side 6 \(the file: 12\).*weights: retrain"):
        SmallLlama.of(SmallLlamaConfig(weights="packaged", layout_side=6), None, "cpu")


def test_it_can_be_trained_on_a_train_split_saved_and_loaded(disc, tmp_path):
    config = SmallLlamaConfig(**TINY)
    trained = SmallLlama(config)
    trained.fit([disc(i) for i in range(4)], [], FitContext(0, "cpu"))
    trained.save(tmp_path)
    again = SmallLlama.of(config, tmp_path, "cpu")
    assert (again.character_NKD == trained.character_NKD).all() and again.token_side == 2


def test_the_note_names_the_number_of_sentences_that_the_file_was_trained_on():
    recipe = SmallLlama(SmallLlamaConfig()).read(small_llama.shipped(small_llama.SMALL_LLAMA, "nothing"), "cpu")
    assert f"{recipe['rows']:,} questions and answers" in SmallLlamaConfig(weights="packaged").note
