"""Changes of a config."""

from prsbench.harness.contract.config import merged


def test_groups_are_merged_and_other_values_replaced():
    config = {"size": "small", "stages": [1, 2], "lora": {"rank": 8, "alpha": 16}}
    changes = {"stages": [3], "lora": {"rank": 4}, "losses": {"text": 1.0}}
    assert merged(config, changes) == {"size": "small", "stages": [3], "lora": {"rank": 4, "alpha": 16}, "losses": {"text": 1.0}}
    assert merged({"lora": None}, changes)["lora"] == {"rank": 4} and merged(config, {"lora": None})["lora"] is None
    assert config["lora"] == {"rank": 8, "alpha": 16}
