"""The record of tries is shown for the rows of a report, and for no others."""

import csv
from functools import reduce
from types import SimpleNamespace

import pytest
from prsbench.harness.cli.opening import registry
from prsbench.harness.contract.types import DataKind
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.harness.engine.plan.choices import resolve_choices
from prsbench.harness.report.tables import tuning as module
from prsbench.harness.report.tables.tuning import RECORD, tuning

HEADER = [
    *("grid", "tuned row", "rates", "data kind", "stage"),
    *("epochs", "minutes", "val dice@0.5", "val position", "score", "chosen"),
]


def rows(*names):
    return [
        SimpleNamespace(method=name, data_kind=DataKind.SYNTHETIC, protocol="p", cells=(), judge_notes=(), judges=())
        for name in names
    ]


@pytest.fixture
def recorded(monkeypatch):
    lines = [
        ["full", "unet", "learning_rate=0.002", "SYNTHETIC", "screening", "9", "1.0", "0.800", "0.700", "0.750", "no"],
        ["full", "unet", "learning_rate=0.006", "SYNTHETIC", "screening", "9", "1.0", "0.900", "0.700", "0.800", "yes"],
        ["full", "prs_med", "learning_rate=0.001", "SYNTHETIC", "final", "7", "1.0", "0.700", "0.500", "0.600", "yes"],
    ]
    monkeypatch.setattr(module, "_recorded", lambda: (HEADER, lines))


def test_every_try_of_a_row_and_of_its_variants_is_shown(recorded):
    table = tuning(rows("unet@epochs=3", "oracle"))
    assert table.frame["rates"].tolist() == ["learning_rate=0.002", "learning_rate=0.006"]
    assert table.frame["chosen"].tolist() == ["no", "yes"] and [c.head for c in table.numbers] == HEADER[5:-1]


def test_rows_without_tries_have_no_table(recorded):
    assert tuning(rows("oracle", "whole_image")) is None


def test_the_packaged_record_has_as_many_tries_for_every_row_and_the_best_final_is_chosen():
    from prsbench.harness.engine.inspect.tuning import HEADER as written

    assert list(written) == HEADER
    tries: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in csv.DictReader(RECORD.read_text().splitlines()):
        tries.setdefault((line["grid"], line["tuned row"]), []).append(line)
    for of_row in tries.values():
        assert [line["stage"] for line in of_row] == ["screening"] * 5 + ["final"] * 3
        [chosen] = [line for line in of_row if line["chosen"] == "yes"]
        finals = [float(line["score"]) for line in of_row if line["stage"] == "final"]
        assert chosen["stage"] == "final" and float(chosen["score"]) == max(finals)


def test_the_grids_rows_have_the_rates_that_the_record_chose():
    configs = {row: config for row, _, config in resolve_choices(load_grid("full"), registry())}
    for line in csv.DictReader(RECORD.read_text().splitlines()):
        config = configs[line["tuned row"]].model_dump(mode="json")
        rates = dict(rate.split("=") for rate in line["rates"].split())
        own = {key: reduce(dict.__getitem__, key.split("."), config) for key in rates}
        is_own = own == {key: float(rate) for key, rate in rates.items()}
        assert is_own if line["chosen"] == "yes" else not is_own or line["stage"] == "screening"
