"""Config of the own-mask-text rows: another row's mask, described by the template sentence. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from prsbench.harness.contract.config import MethodConfig
from prsbench.harness.contract.types import Need, PromptSource

# The rows trained here that write their text. They are used only through the `Method` interface.
ROWS = {
    "cg_reasoner": (
        "prsbench.methods.cg_reasoner.method:CGReasonerMethod",
        "prsbench.methods.cg_reasoner.config:CGReasonerConfig",
    ),
    "prs_med": ("prsbench.methods.prs_med.method:PRSMedMethod", "prsbench.methods.prs_med.config:PRSMedConfig"),
    "lisa_tiny": ("prsbench.methods.lisa.tiny:LISATinyMethod", "prsbench.methods.lisa.config:LISATinyConfig"),
    "pixellm_tiny": ("prsbench.methods.pixellm.tiny:PixelLMTinyMethod", "prsbench.methods.pixellm.config:PixelLMTinyConfig"),
}


class OwnMaskTextConfig(MethodConfig):
    """The row `of`, with the keys in `config` set as there. If they agree with the grid's row, its training is shared."""

    prompt_source: Literal[PromptSource.QUESTION] = PromptSource.QUESTION
    of: Literal["cg_reasoner", "prs_med", "lisa_tiny", "pixellm_tiny"]
    config: Mapping[str, Any] = {}

    def needs(self) -> Mapping[str, Need]:
        return {"row": Need(self.of, self.config)}
