"""The backbone: packaged weights, random ones with a note, and the user's own."""

import pytest
import torch
from prsbench.harness.contract.errors import MissingPrerequisite
from prsbench.harness.contract.types import Weights
from prsbench.methods.parts.weights import timm_backbone
from prsbench.methods.parts.weights.timm_backbone import build_backbone


def test_lite0_with_packaged_weights_is_not_a_random_network():
    torch.manual_seed(0)
    packaged, source, said = build_backbone("tf_efficientnet_lite0", (2, 3, 4), "packaged")
    random, _, _ = build_backbone("tf_efficientnet_lite0", (2, 3, 4), None)
    image = torch.rand(1, 3, 64, 64)
    assert source == Weights.PACKAGED and "ImageNet-1k" in said
    assert [f.shape[1] for f in packaged.eval()(image)] == [40, 112, 320]
    assert not torch.allclose(packaged.eval()(image)[0], random.eval()(image)[0])


def test_a_missing_package_gives_random_weights_and_a_loud_label(monkeypatch):
    monkeypatch.setattr(timm_backbone, "locate", lambda file: None)
    _, source, said = build_backbone("tf_efficientnet_lite0", (2, 3, 4), "packaged")
    assert source == Weights.RANDOM and "RANDOM" in said and "not installed" in said


def test_the_papers_backbone_takes_a_users_file_key_by_key(tmp_path):
    import timm
    from safetensors.torch import save_file

    model = timm.create_model("convnext_atto", pretrained=False)
    save_file(model.state_dict(), tmp_path / "atto.safetensors")
    extractor, source, _ = build_backbone("convnext_atto", (1, 2, 3), str(tmp_path / "atto.safetensors"))
    assert source == Weights.OFFICIAL
    assert torch.equal(extractor.state_dict()["stem_0.weight"], model.state_dict()["stem.0.weight"])


def test_backbone_weights_that_are_not_there_name_the_setting():
    with pytest.raises(MissingPrerequisite, match="backbone.weights"):
        build_backbone("convnext_atto", (1, 2, 3), "nowhere.pth")
