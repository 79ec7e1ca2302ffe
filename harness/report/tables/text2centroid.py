"""Tables of Text2Centroid's held-out errors: of the model that methods are trained with."""

from __future__ import annotations

from collections.abc import Sequence

from prsbench.harness.contract.results import HeldOut
from prsbench.harness.report.tables import footnotes
from prsbench.harness.report.tables.table import Table, text_table


def held_out_tables(held_out: Sequence[HeldOut]) -> list[Table]:
    """One table of held-out errors per kind of training, with a line per seed and group."""
    tables = []
    for name, header in dict.fromkeys((errors.training, errors.header) for errors in held_out):
        same_kind = [errors for errors in held_out if (errors.training, errors.header) == (name, header)]
        lines = [(str(errors.seed), *line) for errors in same_kind for line in errors.lines]
        caption = "Distance between predicted points and true centroids on the val split, which was not used for training."
        labels, numbers = ("seed", *header[:2]), header[2:]
        title = f"Held-out errors of {name}"
        tables.append(text_table(f"held_out_{name}", title, caption, labels, numbers, lines, [footnotes.HELD_OUT]))
    return tables
