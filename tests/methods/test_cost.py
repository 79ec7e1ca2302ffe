import time

import numpy as np
import torch
from prsbench.harness.contract.memory import return_freed_memory
from prsbench.harness.contract.results import Cost
from prsbench.harness.contract.types import Prediction, PromptSource
from prsbench.methods import cost, feature_cache
from prsbench.methods.cost import measure, standard_query
from prsbench.methods.parts.language.sentence_bert import sentence_encoder
from prsbench.methods.sam.config import LiteMedSAMConfig
from prsbench.methods.sam.method import SamMethod
from torch import nn


class Convolving:
    """One 3x3 convolution, 3 to 4 channels, and a frozen linear layer that two attributes share."""

    def __init__(self):
        self.network = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.frozen = nn.Linear(5, 7).requires_grad_(False)
        self.again = self.frozen

    def fit(self, train, val, context): ...

    def save(self, folder): ...

    def load(self, folder, device): ...

    @torch.no_grad()
    def predict(self, queries):
        for query in queries:
            self.network(torch.from_numpy(query.image).permute(2, 0, 1)[None].float())
        return [Prediction(np.zeros(q.image.shape[:2], np.float32), "", 0.25) for q in queries]


def test_parameters_and_operations_are_those_counted_by_hand():
    found = measure(Convolving())
    assert (found.parameters, found.trainable_parameters) == (3 * 4 * 9 + 5 * 7 + 7, 3 * 4 * 9)
    assert found.flops_per_image == 2 * 9 * 3 * 4 * 256 * 256
    assert found.peak_memory_bytes > 2**20 and found.device == "cpu"


def test_networks_of_a_method_inside_a_method_are_counted_too_and_shared_ones_once():
    class Outer(Convolving):
        def __init__(self):
            super().__init__()
            self.inner = Convolving()
            self.inner.network = self.network

        def predict(self, queries):
            return self.inner.predict(queries)

    found = measure(Outer())
    assert found.parameters == 3 * 4 * 9 + 2 * (5 * 7 + 7)
    assert found.flops_per_image == measure(Convolving()).flops_per_image


def test_a_method_that_shows_a_learned_query_as_a_view_is_counted_and_stays_trainable():
    class Querying(Convolving):
        def __init__(self):
            super().__init__()
            self.query = nn.ParameterList([nn.Parameter(torch.zeros(1, 5))])

        @torch.no_grad()
        def predict(self, queries):
            self.frozen(self.query[0].expand(2, -1))
            return super().predict(queries)

    method = Querying()
    assert measure(method).flops_per_image == measure(Convolving()).flops_per_image + 2 * 2 * 5 * 7
    assert method.query[0].requires_grad and not method.frozen.weight.requires_grad


def test_a_method_without_a_network_is_asked_nothing_and_costs_none():
    class Plain:
        def predict(self, queries):
            raise AssertionError("asked")

    found = measure(Plain())
    assert (found.parameters, found.trainable_parameters, found.flops_per_image) == (0, 0, 0)
    assert np.isnan(found.peak_memory_bytes)


def test_memory_that_is_held_while_predicting_is_seen():
    class Hungry(Convolving):
        def predict(self, queries):
            held = np.ones(2**26, np.uint8)  # 64 MiB, written to
            time.sleep(0.1)
            return [held.sum()]

    return_freed_memory()  # a run in this process may have held some, which would be used first
    before = cost._resident_bytes()
    assert measure(Hungry()).peak_memory_bytes >= before + 2**25


def test_a_cost_survives_json_and_one_that_is_not_known_is_null():
    known, unknown = Cost(2, 1, 4, 8.0, "cpu"), Cost(2, 1, 4, float("nan"), "cpu")
    assert Cost.from_json(known.to_json()) == known
    assert unknown.to_json()["peak_memory_bytes"] is None and np.isnan(Cost.from_json(unknown.to_json()).peak_memory_bytes)


def test_shared_features_and_sentences_do_not_hide_work_and_are_there_again_afterwards(monkeypatch):
    method = SamMethod(LiteMedSAMConfig(prompt_source=PromptSource.ORACLE_BOX))
    method.load(None, "cpu")
    with torch.inference_mode():
        patches = nn.Conv2d(3, 256, 4, stride=4)  # in the encoder's place: 256 px to 64 x 64
    monkeypatch.setattr(method._sam.network.image_encoder, "forward", lambda square: patches(square))
    monkeypatch.setattr(feature_cache, "_cache", type(feature_cache._cache)())
    method.predict([standard_query()])
    encoder = sentence_encoder()
    encoder.encode([standard_query().question])
    kept, known = dict(feature_cache._cache), encoder.known
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        method.predict([standard_query()])  # the features are there: the decoder alone
    found = measure(method)
    assert dict(feature_cache._cache) == kept and encoder.known is known
    assert found.flops_per_image == counter.get_total_flops() + 2 * 3 * 16 * 256 * 64 * 64
