"""One error for all problems of a data set, so that a user can correct them in one go."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.errors import DataError

SHOWN = 20


def refuse(subject: object, problems: Sequence[str]) -> None:
    """Raise one DataError with the first 20 problems and the number of the rest; return if there are none."""
    if not problems:
        return
    lines = [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    raise DataError("\n".join([f"{subject}: {len(problems)} problem{'s'[: len(problems) > 1]}", *lines]))
