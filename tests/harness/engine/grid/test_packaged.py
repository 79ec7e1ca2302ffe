"""The packaged grids: rows that run another row share its training."""

import pytest
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.grid.packaged import packaged_grids
from prsbench.harness.engine.plan.choices import part_of, resolve_choices

ROLES = {"row", "reasoner"}  # of needs that are rows themselves


@pytest.mark.parametrize("name", packaged_grids())
def test_a_row_that_runs_another_row_of_the_grid_is_configured_as_that_row_and_needs_no_training_of_its_own(name, tmp_path):
    from prsbench.harness.cli.opening import registry

    rows = {row: config for row, _, config in resolve_choices(load_grid(name, data_root=tmp_path), registry())}
    needs = [(row, need) for row, config in rows.items() for role, need in config.needs().items() if role in ROLES]
    for row, need in needs:
        entry, config = part_of(need, registry().parts)
        assert config == rows[entry.name], f"{row} would train another {entry.name}"


@pytest.mark.parametrize("name", ["default", "full", "real"])
def test_every_row_that_writes_text_has_its_own_mask_text_beside_it(name, tmp_path):
    rows = [choice.name for choice in load_grid(name, data_root=tmp_path).methods]
    for row in ("cg_reasoner", "prs_med", "lisa_tiny", "pixellm_tiny"):
        assert (row in rows) == (f"{row}_own_mask_text" in rows)
