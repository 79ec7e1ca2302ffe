import torch
from prsbench.methods.parts.training.lora import adamw
from torch import nn


def test_every_trainable_parameter_is_in_the_group_of_its_rate_and_groups_and_parameters_keep_their_order():
    names = ("encoder.backbone.w", "encoder.new", "llm.q_proj.lora_A", "llm.q_proj.lora_B", "bridge.w", "llm.frozen")
    network = nn.Module()
    parameters = {name: nn.Parameter(torch.zeros(1), requires_grad="frozen" not in name) for name in names}
    network.named_parameters = lambda: iter(parameters.items())
    optimizer = adamw(network, {"encoder.backbone.": 0.1, "lora": 0.2, "new": 0.3}, weight_decay=0.4, eps=0.5)
    groups = [(group["lr"], [id(p) for p in group["params"]]) for group in optimizer.param_groups]
    expected = [(0.1, names[:1]), (0.2, names[2:4]), (0.3, (names[1], names[4]))]
    assert groups == [(rate, [id(parameters[name]) for name in chosen]) for rate, chosen in expected]
    assert all((group["weight_decay"], group["eps"]) == (0.4, 0.5) for group in optimizer.param_groups)
