"""Finished runs of stand-in methods."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prsbench.harness.engine.driver.run import run_grid
from prsbench.harness.engine.store.run_folder import RunFolder


@pytest.fixture(scope="session")
def finish(tmp_path_factory) -> Callable[..., Path]:
    """Runs these methods to the end and returns the run folder, which holds its data; a test that changes it copies it first."""
    import engine_stand_ins

    def finish(*methods: str, **options: object) -> Path:
        folder = tmp_path_factory.mktemp("finished") / "run"
        root = engine_stand_ins.write_data(folder / "data" / "given")
        grid = engine_stand_ins.make_grid(root, list(methods), **options)
        run_grid(grid, engine_stand_ins.REGISTRY, RunFolder(folder), str, "serial")
        return folder

    return finish
