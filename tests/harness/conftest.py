"""Makes the stand-ins importable here and in the processes that tests start."""

import sys
from pathlib import Path

import pytest

STAND_INS = Path(__file__).parent / "engine" / "stand_ins"
sys.path.insert(0, str(STAND_INS))


@pytest.fixture(scope="session")
def data_root(tmp_path_factory):
    from engine_stand_ins import write_data

    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def stand_ins(monkeypatch, tmp_path):
    import engine_stand_ins

    monkeypatch.setenv("PRSBENCH_TEST_LOG", str(tmp_path / "log.txt"))
    return engine_stand_ins
