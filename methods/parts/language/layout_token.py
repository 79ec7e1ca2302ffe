"""The layout token: where an answer's target lies, as one input of a pre-trained language model, and the loss on its words."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

SHARPNESS = 10.0  # ours: a token equal to one word makes that word up to e^10 times as likely as its frequency


class LayoutToken(nn.Module):
    """The layout of the foreground as one token: a blend of the words that answers use for it, with the mean length of a word.

    It lies in the language model's space of word embeddings, so a model that repeats its input generates these words. The
    warm-up trains it on masks and answers alone (`words_loss`); it ignores the order of the words, which LoRA learns.
    """

    SIDE, HIDDEN = 8, 256  # the layout is pooled to 8 x 8 points

    def __init__(self, width: int, length: float):
        super().__init__()
        self._length = length
        self.words = nn.Sequential(
            nn.Linear(self.SIDE**2, self.HIDDEN),
            nn.GELU(),
            nn.Linear(self.HIDDEN, self.HIDDEN),
            nn.GELU(),
            nn.Linear(self.HIDDEN, width),
        )

    def forward(self, share_B1FF: Tensor) -> Tensor:
        """(B, D), from the share of foreground at each point."""
        share = F.adaptive_avg_pool2d(share_B1FF, self.SIDE).flatten(1)
        return F.normalize(self.words(6 * share - 3), dim=-1) * self._length


def words_loss(token_BD: Tensor, word_LD: Tensor, share_L: Tensor, in_answer_BL: Tensor) -> Tensor:
    """Cross-entropy between each answer's words, whatever their order, and the words that its layout token resembles.

    word_LD: the words' embeddings. share_L: how often each word occurs over all layouts. in_answer_BL: 1 where an answer has it.
    """
    similarity_BL = F.normalize(token_BD, dim=-1) @ F.normalize(word_LD, dim=-1).T
    log_BL = F.log_softmax(SHARPNESS * similarity_BL + share_L.log(), dim=-1)
    return -(log_BL * in_answer_BL / in_answer_BL.sum(1, keepdim=True)).sum(1).mean()
