"""What the labels of rows mean, for readers of the page."""

from __future__ import annotations

from collections.abc import Mapping

from prsbench.harness.contract.types import DataKind, PromptSource, TextSource, Weights

SOURCES: Mapping[str, str] = {
    PromptSource.QUESTION: "the question only",
    PromptSource.ORACLE_BOX: "the box around the true mask",
    PromptSource.JITTERED_BOX: "that box with noise",
    PromptSource.ORACLE_POINT: "the innermost point of the true mask",
    PromptSource.AUTOMATIC: "a prompt that the method finds itself",
    PromptSource.TRUTH: "the truth itself",
    PromptSource.NONE: "nothing",
}
WEIGHTS: Mapping[str, str] = {
    Weights.TRAINED_HERE: "in this run",
    Weights.OFFICIAL: "by the method's authors",
    Weights.IMPORTED: "trained by prsbench in another run",
    Weights.PACKAGED: "packaged for Python",
    Weights.STATED: "what the user says of predictions made elsewhere; nothing of it can be checked",
    Weights.RANDOM: "nothing was loaded and nothing trained",
    Weights.NONE: "the method has no parameters",
}
TEXT_SOURCES: Mapping[str, str] = {
    TextSource.GENERATED: "by the method itself",
    TextSource.OWN_MASK: "a fixed sentence filled in from the method's own mask",
    TextSource.CONSTANT: "one sentence for all samples",
    TextSource.TRUTH: "the reference answer",
}
DATA_KINDS: Mapping[str, str] = {
    DataKind.SYNTHETIC: "drawn by a program",
    DataKind.REAL: "from patients",
    DataKind.UNDECLARED: "the folder does not say which",
}
LEGEND: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "prompt source": (
        "What the method is given besides the image; rows of different prompt sources are not comparable.",
        SOURCES,
    ),
    "weights": ("Where the parameters come from.", WEIGHTS),
    "text source": ("Who wrote the answer.", TEXT_SOURCES),
    "data kind": ("Where the images come from.", DATA_KINDS),
}
