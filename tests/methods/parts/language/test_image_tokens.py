import torch
from prsbench.methods.parts.language.image_tokens import ImageProjector, layout_tokens
from torch.nn import functional as F

SIDE, TOKENS, LEVELS, WIDTH = 4, 2, 3, 5


def test_a_token_is_the_sum_of_the_characters_in_its_part_of_the_layout():
    characters = torch.randn(SIDE**2, LEVELS, WIDTH)
    levels = torch.randint(LEVELS, (SIDE, SIDE))
    tokens = layout_tokens(F.one_hot(levels.flatten(), LEVELS)[None].float(), characters, TOKENS)
    assert tokens.shape == (1, TOKENS**2, WIDTH)
    lower_left = sum(characters[SIDE * row + column, levels[row, column]] for row in (2, 3) for column in (0, 1))
    assert torch.allclose(tokens[0, 2], lower_left, atol=1e-6)


def test_with_one_character_a_token_every_character_is_a_token():
    characters = torch.randn(SIDE**2, LEVELS, WIDTH)
    levels = torch.randint(LEVELS, (SIDE**2,))
    tokens = layout_tokens(F.one_hot(levels, LEVELS)[None].float(), characters, SIDE)
    assert torch.equal(tokens[0], characters[torch.arange(SIDE**2), levels])


def test_a_projector_predicts_a_level_for_every_place_and_a_token_for_every_group_of_places():
    projector = ImageProjector(7, torch.randn(SIDE**2, LEVELS, WIDTH), TOKENS)
    image = projector(torch.randn(2, 7, 9, 11))
    assert image.token_BND.shape == (2, TOKENS**2, WIDTH)
    assert image.layout.level_logits_BNK.shape == (2, SIDE**2, LEVELS)
    shares = image.layout.level_logits_BNK.softmax(-1)
    assert torch.allclose(
        image.token_BND, layout_tokens(shares, projector.character_NKD, TOKENS), atol=1e-6
    )  # the MLP starts at 0


def test_the_layout_of_a_place_is_predicted_from_the_foreground_at_that_place_alone():
    torch.manual_seed(0)
    projector = ImageProjector(1, torch.randn(SIDE**2, LEVELS, WIDTH), TOKENS)
    projector.foreground = torch.nn.Identity()
    features = torch.full((1, 1, 16, 16), -9.0)
    features[..., 1:3, 5:7] = 9.0  # inside the place in row 0, column 1
    changed = (
        projector(features).layout.level_logits_BNK - projector(torch.full_like(features, -9.0)).layout.level_logits_BNK
    ).abs()
    assert changed[0].sum(-1).nonzero()[:, 0].tolist() == [1]
