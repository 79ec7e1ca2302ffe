"""The results that a run folder hands to the report."""

from prsbench.harness.engine.inspect.results import STATUS_OF
from prsbench.harness.engine.inspect.state import CellState


def test_every_state_of_a_cell_has_a_status_in_the_report():
    assert set(STATUS_OF) == set(CellState)
