"""The result of the leak audit and of counterfactual questions, as text."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.audit.counterfactual import Counterfactual
from prsbench.harness.audit.leaks import LeakAudit
from prsbench.harness.report.tables.table import number_text


def verdict(audits: Sequence[LeakAudit]) -> str:
    """One sentence over all data sets."""
    first = audits[0]
    if first.is_declared:
        return f"{first.method}: made from the truth, as its label declares (prompt source truth)."
    if not all(audit.is_repeatable for audit in audits):
        return f"{first.method}: NOT REPEATABLE. The same queries gave two outputs, which may hide a leak. Seed the method."
    if any(audit.leaks for audit in audits):
        return f"{first.method}: LEAK. Its predictions depend on the reference."
    return f"{first.method}: no leak found. Prompt source: {first.prompt_source}."


def is_clean(audits: Sequence[LeakAudit]) -> bool:
    """Whether every audit is repeatable and without a leak; rows that declare the truth as prompt source always pass."""
    return all(audit.is_declared or (audit.is_repeatable and not audit.leaks) for audit in audits)


def page(audits: Sequence[LeakAudit], counterfactuals: Sequence[Counterfactual]) -> str:
    """The verdict, each check, and the effect of opposite place words in the question."""
    lines = [verdict(audits), ""]
    for audit in audits:
        checks = ", ".join(f"{check.name}: {check.n_changed} of {check.n} changed" for check in audit.checks)
        lines.append(f"{audit.dataset}: {checks}")
    if counterfactuals:
        lines += ["", "Opposite places in the question (for information; a move of 0 means that the mask ignores the words):"]
    for effect in counterfactuals:
        lines.append(
            f"{effect.dataset}: the centroid moves by {number_text(effect.moved)} (-1 to 1 across the image), the masks overlap "
            f"with IoU {effect.iou:.3f}, {effect.n_same} of {effect.n} maps are identical"
        )
    return "\n".join(lines) + "\n"
