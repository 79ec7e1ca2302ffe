"""One small finished run for all audits."""

import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory, data_root):
    """A run folder with three methods of the stand-ins on two data sets."""
    from engine_stand_ins import REGISTRY, make_grid
    from prsbench.harness.engine.driver.run import run_grid
    from prsbench.harness.engine.inspect.state import open_run
    from prsbench.harness.engine.store.run_folder import RunFolder

    folder = RunFolder(tmp_path_factory.mktemp("audited") / "run")
    run_grid(make_grid(data_root, ["bright", "trained", "echo"]), REGISTRY, folder, lambda line: None, "serial")
    return open_run(folder.path)
