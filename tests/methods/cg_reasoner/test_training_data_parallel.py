"""One training on two workers is one worker with the doubled batch."""

import pytest
import torch
from prsbench.harness.contract.config import merged
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.harness.contract.types import FitContext
from prsbench.methods.cg_reasoner.config import CGReasonerConfig
from prsbench.methods.cg_reasoner.method import CGReasonerMethod

# No dropout: two workers draw other masks than one. An eps of 1 makes AdamW as smooth as plain descent; at 1e-6 it takes a
# gradient of 0 for +1 or -1 by its last bit. 10 images: the last step of an epoch is smaller. One has no lesion: terms are means
# over unequal numbers.
CHANGES = {
    "backbone": {"learning_rate": 0.05}, "lora": {"dropout": 0.0, "learning_rate": 0.05}, "learning_rate": 0.05,
    "warmup_steps": 1, "adam_eps": 1.0, "batch_size": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def ten(samples):
    pytest.importorskip("ray.train", reason="pip install 'ray[train]'", exc_type=ImportError)
    return samples[:10]


@pytest.fixture(scope="module")
def config():
    from cg_tiny import CONFIG  # not at the top, as workers of Ray import this module without the tests' helpers

    return CGReasonerConfig.model_validate(merged(CONFIG.model_dump(), CHANGES))


def fitted(config, samples, needs, scratch=None, **changes) -> CGReasonerMethod:
    method = CGReasonerMethod(CGReasonerConfig.model_validate(merged(config.model_dump(), changes)))
    method.fit(samples, samples[:3], FitContext(0, "cpu", needs, scratch=scratch))
    return method


@pytest.mark.slow
def test_two_workers_are_one_with_the_doubled_batch(config, ten, needs, tmp_path):
    two = fitted(config, ten, needs, tmp_path, data_parallel_workers=2)
    one = fitted(config, ten, needs, batch_size=6)
    for rows, others in ((two._history, one._history), (two._validated, one._validated)):
        assert [row.keys() for row in rows] == [row.keys() for row in others]
        assert rows == [{name: pytest.approx(value, abs=1e-4) for name, value in row.items()} for row in others]
    theirs, ours = one._model.state_dict(), two._model.state_dict()
    assert ours.keys() == theirs.keys()
    # Relative to how far it moved: what hardly moves is within 1e-4 of anything.
    still = {"learning_rate": 1e-9}
    begun = fitted(config, ten, needs, batch_size=6, **still, lora=still, backbone=still)._model
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
def test_two_workers_train_inside_a_task_that_holds_all_cores_and_an_error_comes_back_unchanged(config, ten, needs, tmp_path):
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=128 * 1024**2)
    try:

        @ray.remote(num_cpus=2, max_retries=0)
        def task(rate: float) -> str:
            # A copy is not validated: no config may hold an infinite rate.
            method = CGReasonerMethod(config.model_copy(update={"data_parallel_workers": 2, "learning_rate": rate}))
            try:
                method.fit(ten, ten[:3], FitContext(0, "cpu", needs, scratch=tmp_path))
            except PrsbenchError as error:
                return str(error)
            return str(len(method._history))

        assert ray.get(task.remote(0.05)) == "4"
        assert "the loss is not finite" in ray.get(task.remote(float("inf")))
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_workers_that_would_wait_for_gpus_for_ever_are_refused_with_instructions(config, ten, needs):
    import ray

    ray.init(address="local", num_cpus=1, num_gpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
    try:

        @ray.remote(num_cpus=1, num_gpus=1, max_retries=0)
        def task() -> str:
            with pytest.raises(PrsbenchError) as refused:
                CGReasonerMethod(config.model_copy(update={"data_parallel_workers": 2})).fit(
                    ten, [], FitContext(0, "cuda", needs)
                )
            return str(refused.value)

        said = ray.get(task.remote())
        assert "Ray has 2, of which the training's own task holds 1" in said and "{cpus: 2, gpus: 0}" in said
    finally:
        ray.shutdown()
