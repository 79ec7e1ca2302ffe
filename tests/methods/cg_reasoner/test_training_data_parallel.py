"""One training on two workers is one worker with the doubled batch."""

import pytest
import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod
from prsbench.methods.parts.language.config import SmallLlamaConfig
from prsbench.methods.parts.language.small_llama import SmallLlama
from prsbench.methods.text2centroid.config import Text2CentroidConfig
from prsbench.methods.text2centroid.model import Text2Centroid

LANGUAGE = SmallLlamaConfig(
    drawing_side=4, vocabulary=300, width=32, layers=2, heads=2, feed_forward=64, steps=5, batch_size=8
)  # fmt: skip
# No dropout: two workers draw other masks than one. An eps of 1 makes AdamW as smooth as plain descent; at 1e-6 it takes a
# gradient of 0 for +1 or -1 by its last bit. 10 images: the last step of an epoch is smaller. One has no lesion: terms are means
# over unequal numbers.
CONFIG = CGReasonerConfig(
    image_size_px=64, feature_channels=32, language=LANGUAGE, text2centroid=Text2CentroidConfig(steps=5), epochs=2, batch_size=3,
    lora_dropout=0.0, warmup_steps=1, adam_eps=1.0, learning_rate=0.05, lora_learning_rate=0.05, backbone_learning_rate=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    from conftest import disc_sample

    return [disc_sample(n, empty=n == 5) for n in range(10)]


@pytest.fixture(scope="module")
def needs(samples, tmp_path_factory):
    pytest.importorskip("ray.train", reason="pip install 'ray[train]'", exc_type=ImportError)
    folders = {}
    for name, part in {"small_llama": SmallLlama(LANGUAGE), "text2centroid": Text2Centroid(CONFIG.text2centroid)}.items():
        part.fit(samples, [], FitContext(0, "cpu"))
        folders[name] = tmp_path_factory.mktemp(name)
        part.save(folders[name])
    return folders


def fitted(samples, needs, scratch=None, **changes) -> CGReasonerMethod:
    method = CGReasonerMethod(CONFIG.model_copy(update=changes))
    method.fit(samples, samples[:3], FitContext(0, "cpu", needs, scratch=scratch))
    return method


@pytest.mark.slow
def test_two_workers_are_one_with_the_doubled_batch(samples, needs, tmp_path):
    two = fitted(samples, needs, tmp_path, data_parallel_workers=2)
    one = fitted(samples, needs, batch_size=6)
    for rows, others in ((two._history, one._history), (two._validated, one._validated)):
        assert [row.keys() for row in rows] == [row.keys() for row in others]
        assert rows == [{name: pytest.approx(value, abs=1e-4) for name, value in row.items()} for row in others]
    theirs, ours = one._model.state_dict(), two._model.state_dict()
    assert ours.keys() == theirs.keys()
    # Beside how far it went: what hardly moves is within 1e-4 of anything.
    begun = fitted(samples, needs, batch_size=6, learning_rate=1e-9, lora_learning_rate=1e-9, backbone_learning_rate=1e-9)._model
    for (name, before), after, other in zip(
        begun.named_parameters(), one._model.parameters(), two._model.parameters(), strict=True
    ):
        went = (after - before).abs().max()
        assert (other - after).abs().max() <= 1e-2 * went + 5e-7, name
    for name, tensor in ours.items():
        relative = 1e-3 if "running_var" in name else 0.0  # a variance of hundreds
        torch.testing.assert_close(tensor, theirs[name], atol=1e-4, rtol=relative, msg=lambda said, name=name: f"{name}: {said}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_workers_train_inside_a_task_that_holds_all_cores_and_an_error_comes_back_whole(samples, needs, tmp_path):
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=128 * 1024**2)
    try:

        @ray.remote(num_cpus=2, max_retries=0)
        def task(rate: float) -> str:
            try:
                return str(len(fitted(samples, needs, tmp_path, data_parallel_workers=2, learning_rate=rate)._history))
            except PrsbenchError as error:
                return str(error)

        assert ray.get(task.remote(0.05)) == "4"
        assert "the loss is not finite" in ray.get(task.remote(float("inf")))
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_workers_that_would_wait_for_gpus_for_ever_are_refused_with_the_cure(samples, needs):
    import ray

    ray.init(address="local", num_cpus=1, num_gpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
    try:

        @ray.remote(num_cpus=1, num_gpus=1, max_retries=0)
        def task() -> str:
            with pytest.raises(PrsbenchError) as refused:
                CGReasonerMethod(CONFIG.model_copy(update={"data_parallel_workers": 2})).fit(
                    samples, [], FitContext(0, "cuda", needs)
                )
            return str(refused.value)

        said = ray.get(task.remote())
        assert "Ray has 2, of which the training's own task holds 1" in said and "{cpus: 2, gpus: 0}" in said
    finally:
        ray.shutdown()
