"""One training on two workers is one worker with the doubled batch."""

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner.adapter import CGReasonerMethod
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.language_base import LanguageBase
from prsbench.methods.parts import LanguageBaseConfig, Text2CentroidConfig
from prsbench.methods.text2centroid import Text2Centroid

LANGUAGE = LanguageBaseConfig(
    drawing_side=4, vocabulary=300, width=32, layers=2, heads=2, feed_forward=64, steps=5, batch_size=8
)  # fmt: skip
CONFIG = CGReasonerConfig(
    image_size_px=64, feature_channels=32, language=LANGUAGE, text2centroid=Text2CentroidConfig(steps=5), epochs=2, batch_size=3,
    lora_dropout=0.0, warmup_steps=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    from conftest import disc_sample

    return [disc_sample(i, empty=i == 5) for i in range(12)]


@pytest.fixture(scope="module")
def needs(samples, tmp_path_factory):
    folders = {}
    for name, part in {"language_base": LanguageBase(LANGUAGE), "text2centroid": Text2Centroid(CONFIG.text2centroid)}.items():
        part.fit(samples, [], FitContext(0, "cpu"))
        folders[name] = tmp_path_factory.mktemp(name)
        part.save(folders[name])
    return folders


def fitted(samples, needs, scratch, **changes):
    method = CGReasonerMethod(CONFIG.model_copy(update=changes))
    method.fit(samples, samples[:3], FitContext(0, "cpu", needs, scratch=scratch))
    return method


def test_two_workers_are_one_with_the_doubled_batch(samples, needs, tmp_path):
    pytest.importorskip("ray.train", reason="pip install 'ray[train]'", exc_type=ImportError)
    two = fitted(samples, needs, tmp_path, data_parallel_workers=2)
    one = fitted(samples, needs, None, batch_size=6)
    print([r["loss"] for r in two._history], [r["loss"] for r in one._history])
    theirs = one._model.state_dict()
    for name, tensor in two._model.state_dict().items():
        d = (tensor.float()-theirs[name].float()).abs().max()
        if d > 1e-5: print(name, d)
    assert 0
