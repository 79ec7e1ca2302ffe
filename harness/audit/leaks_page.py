"""What the leak audit found, as text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from prsbench.harness.audit.counterfactual import Counterfactual
from prsbench.harness.audit.leaks import LeakAudit


def verdict(audits: Sequence[LeakAudit]) -> str:
    """One sentence over all data sets."""
    first = audits[0]
    if first.is_declared:
        return f"{first.method}: made from the truth, and labelled so (prompt source truth)."
    if not all(audit.is_repeatable for audit in audits):
        return f"{first.method}: NOT REPEATABLE. The same queries gave two outputs, which may hide a leak. Seed it."
    if any(audit.leaks for audit in audits):
        return f"{first.method}: LEAK. Its predictions depend on what it must not see."
    return f"{first.method}: no leak found. It is told: {first.prompt_source}."


def is_clean(audits: Sequence[LeakAudit]) -> bool:
    """Whether nothing is wrong; a row that says it is made from the truth is as it should be."""
    return all(audit.is_declared or (audit.is_repeatable and not audit.leaks) for audit in audits)


def page(audits: Sequence[LeakAudit], counterfactuals: Sequence[Counterfactual]) -> str:
    """The verdict, each check, and what opposite words in the question do."""
    lines = [verdict(audits), ""]
    for audit in audits:
        checks = ", ".join(f"{check.name}: {check.n_changed} of {check.n} changed" for check in audit.checks)
        lines.append(f"{audit.dataset}: {checks}")
    if counterfactuals:
        lines += ["", "Opposite places in the question (information, not a fault: 0 says that the words are not read):"]
    for found in counterfactuals:
        moved = f"{found.moved:.3f}" if isfinite(found.moved) else "-"
        lines.append(
            f"{found.dataset}: the centroid moves by {moved} (-1 to 1 across the image), the masks overlap with IoU "
            f"{found.iou:.3f}, {found.n_same} of {found.n} maps do not change by a bit"
        )
    return "\n".join(lines) + "\n"
