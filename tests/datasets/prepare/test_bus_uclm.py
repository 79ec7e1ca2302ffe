"""BUS-UCLM: masks in two class colours, patients by name."""

from __future__ import annotations

import numpy as np
import pytest
from prsbench.datasets.prepare.bus_uclm import SOURCE
from prsbench.datasets.prepare.layout import find
from prsbench.harness.contract.errors import DataError


def put_scan(put, stem, colour):
    mask = np.zeros((6, 8, 3), np.uint8)
    mask[:2, :3] = colour
    put(f"BUS-UCLM/images/{stem}.png")
    put(f"BUS-UCLM/masks/{stem}.png", mask)


def test_green_and_red_lesions_are_foreground_and_scans_of_a_patient_stay_together(tmp_path, put, loaded, pictures):
    for stem, colour in (("ALWI_000", (0, 255, 0)), ("ALWI_001", (255, 0, 0)), ("VITR_003", (0, 0, 0))):
        put_scan(put, stem, colour)
    items = loaded(find(SOURCE, tmp_path))
    assert {stem: (group, int(mask.sum())) for stem, (group, _, mask) in items.items()} == {
        "ALWI_000": ("ALWI", 6), "ALWI_001": ("ALWI", 6), "VITR_003": ("VITR", 0),
    }  # fmt: skip


def test_a_third_colour_is_refused(tmp_path, put):
    put_scan(put, "ALWI_000", (0, 0, 255))
    (item,) = find(SOURCE, tmp_path)
    with pytest.raises(DataError, match="got also #0000ff"):
        item.load()
