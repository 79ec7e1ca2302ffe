"""Parity with the official code on pseudo-weights; small networks where no fixture is needed."""

import pytest
import torch
from parity import Parity, needs
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.sam.networks import VIT, ViT, build_tiny_vit_sam, build_vit_sam, decode
from prsbench.methods.parts.weights.checkpoints import fill

SMALL = ViT(width=32, depth=2, heads=2, global_blocks=(1,))


def loaded(network, name):
    parity = Parity(name)
    matched = fill(network, parity.weights(), name)
    assert matched.found == matched.expected == len(parity.keys)
    return network, parity


def check(parity, name, decoded):
    logits, iou = decoded
    parity.check(f"{name}/low_res_logits", logits)
    parity.check(f"{name}/iou", iou)


def prompted(network, features, points=None, boxes=None, masks=None, several=True):
    """The decoder on prompts that no row gives, which show that the rest of the prompt encoder's tensors are in their places."""
    sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return network.mask_decoder(features, network.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=several)


def labelled(points):
    xy = next(points[key] for key in points if key.startswith("xy"))
    return torch.tensor(xy), torch.tensor(points["labels"])


@needs("sam_med2d")
@torch.inference_mode()
def test_sam_med2d_with_its_adapters_gives_the_official_numbers():
    network, parity = loaded(build_vit_sam(VIT["vit_b"], side_px=256, adapters=True), "sam_med2d")
    features = network.image_encoder(parity.tensor(parity.json["inputs"]["image"]))
    parity.check("embedding", features)
    box = torch.tensor(parity.json["inputs"]["box_xyxy_256"])
    check(parity, "box_multi", decode(network, features, boxes_N4=box, several=True))
    check(parity, "box_single", decode(network, features, boxes_N4=box))
    check(parity, "points_multi", prompted(network, features, labelled(parity.json["inputs"]["points"])))
    mask = parity.tensor(parity.json["inputs"]["mask_prompt"])
    check(parity, "boxmask_multi", prompted(network, features, boxes=box, masks=mask))


@needs("tinysam_vit_t")
@torch.inference_mode()
def test_tinysam_and_mobilesam_give_the_official_numbers():
    network, parity = loaded(build_tiny_vit_sam(), "tinysam_vit_t")
    features = network.image_encoder(parity.tensor(parity.json["inputs"]["image"]))
    parity.check("embedding", features)
    box = torch.tensor(parity.json["inputs"]["box_xyxy_1024"])
    check(parity, "box", decode(network, features, boxes_N4=box, several=True))
    check(parity, "mobilesam_single", decode(network, features, boxes_N4=box))
    inputs = parity.json["inputs"]
    points = torch.tensor(inputs["points_xy_1024"]), torch.tensor(inputs["point_labels"])
    check(parity, "points", prompted(network, features, points))
    check(parity, "boxmask", prompted(network, features, boxes=box, masks=parity.tensor(inputs["mask_prompt"])))


@pytest.mark.slow
@needs("sam_vit_b")
@torch.inference_mode()
def test_sam_vit_b_gives_the_official_numbers():
    network, parity = loaded(build_vit_sam(VIT["vit_b"]), "sam_vit_b")
    inputs = parity.json["inputs"]
    features = network.image_encoder(parity.tensor(inputs["image"]))
    parity.check("embedding", features)
    box, point = torch.tensor(inputs["box_xyxy_1024"]), torch.tensor(inputs["point"]["xy_1024"])
    for name, several in (("multi", True), ("single", False)):
        check(parity, f"box_{name}", decode(network, features, boxes_N4=box, several=several))
        check(parity, f"point_{name}", decode(network, features, points_N12=point, several=several))
    check(parity, "points_single", prompted(network, features, labelled(inputs["points"]), several=False))
    mask = parity.tensor(inputs["mask_prompt"])
    check(parity, "boxmask_single", prompted(network, features, boxes=box, masks=mask, several=False))


@pytest.mark.parametrize("size", VIT)
def test_the_bigger_networks_have_as_many_tensors_as_their_depth_asks_for(size):
    with torch.device("meta"):
        keys = build_vit_sam(VIT[size]).state_dict()
    assert len(keys) == 314 + 14 * (VIT[size].depth - 12)  # 314 of the official ViT-B, 14 a block
    assert keys["image_encoder.pos_embed"].shape == (1, 64, 64, VIT[size].width)


def test_a_checkpoint_of_another_network_is_refused_with_what_does_not_fit():
    plain, adapted = (build_vit_sam(SMALL, side_px=64, adapters=adapters) for adapters in (False, True))
    with pytest.raises(PrsbenchError, match=r"some.pth: .* 12 tensors missing \(image_encoder.blocks.0.Adapter"):
        fill(adapted, plain.state_dict(), "some.pth")
    with pytest.raises(PrsbenchError, match="12 unknown"):
        fill(plain, adapted.state_dict(), "some.pth")
    other = {key: tensor[..., :1] if key.endswith("pos_embed") else tensor for key, tensor in plain.state_dict().items()}
    with pytest.raises(PrsbenchError, match="1 of another shape"):
        fill(plain, other, "some.pth")


def test_many_boxes_at_once_give_what_each_gives_alone():
    torch.manual_seed(0)
    network = build_vit_sam(SMALL, side_px=64).eval()
    features = network.image_encoder(torch.rand(1, 3, 64, 64))
    boxes = torch.tensor([[4.0, 4.0, 30.0, 30.0], [20.0, 10.0, 60.0, 50.0]])
    together, iou = decode(network, features, boxes_N4=boxes, several=True)
    assert together.shape == (2, 3, 16, 16) and iou.shape == (2, 3)
    for n in range(2):
        assert torch.allclose(together[n], decode(network, features, boxes_N4=boxes[n : n + 1], several=True)[0][0], atol=1e-5)
