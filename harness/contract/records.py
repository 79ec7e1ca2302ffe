"""What an evaluation stores of each sample: its status, pixel counts, measures of the map, texts and centroids (`Record`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import nan
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from prsbench.harness.contract.families import OFFICIAL
from prsbench.harness.contract.types import DataKind, Point

VARIANT_MARK = "@"  # between a method and its variant in a row's name
Histogram = NDArray[np.int64]  # (256,) pixels per grey level


class SampleStatus(StrEnum):
    """What became of a sample in a cell. Summaries on disk number the members in this order."""

    OK = "ok"
    FAILED = "failed"  # the method broke on the sample
    EXCLUDED = "excluded"  # the row cannot include it, such as an oracle box around an empty truth


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixel counts of one prediction against its truth: every threshold metric is computed from these, without the model.

    tp to tn count the float map at >= 0.5. The histograms count the 8-bit map inside and outside the truth: `stretched` after
    the official per-image min-max stretch, `raw` without it.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    stretched_inside: Histogram
    stretched_outside: Histogram
    raw_inside: Histogram
    raw_outside: Histogram

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; histograms as [level, pixels] pairs of the levels that occur."""
        out: dict[str, Any] = {name: getattr(self, name) for name in ("tp", "fp", "fn", "tn")}
        for name in ("stretched_inside", "stretched_outside", "raw_inside", "raw_outside"):
            histogram = getattr(self, name)
            out[name] = [[int(level), int(histogram[level])] for level in np.flatnonzero(histogram)]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Counts:
        fields: dict[str, Any] = {name: data[name] for name in ("tp", "fp", "fn", "tn")}
        for name in ("stretched_inside", "stretched_outside", "raw_inside", "raw_outside"):
            histogram = np.zeros(256, np.int64)
            for level, pixels in data[name]:
                histogram[level] = pixels
            fields[name] = histogram
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class MapMeasures:
    """Measures that counts cannot give, taken once on the map (`metrics.mask.map_measures`); NaN where a measure is not defined.

    `pranet` uses the stretched 8-bit map as in the official code, `raw` the unstretched one. hd95_px and nsd_2px use the float
    map at >= 0.5. lesion_ious holds, for each true lesion, the IoU with the predicted lesion that it is matched with. hd95_mm
    and nsd_2mm are NaN if the size of a pixel is unknown.
    """

    s_measure_pranet: float
    s_measure_raw: float
    weighted_f_pranet: float
    weighted_f_raw: float
    hd95_px: float
    nsd_2px: float
    lesion_ious: tuple[float, ...]
    n_predicted_lesions: int
    hd95_mm: float = nan
    nsd_2mm: float = nan

    def to_json(self) -> dict[str, Any]:
        out = {name: getattr(self, name) for name in self.__slots__}
        unknown = [name for name in ("hd95_mm", "nsd_2mm") if out[name] != out[name]]  # omitted: most data sets state no spacing
        out = {name: None if value != value else value for name, value in out.items() if name not in unknown}
        return out | {"lesion_ious": list(self.lesion_ious)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MapMeasures:
        fields: dict[str, Any] = {name: nan if value is None else value for name, value in data.items()}
        return cls(**{**fields, "lesion_ious": tuple(data["lesion_ious"])})


@dataclass(frozen=True, slots=True)
class Record:
    """The measurements of one sample in one cell.

    Only status "ok" has counts and measures; the others state the reason in `error` and have an empty answer. Records of older
    versions have no measures.
    """

    schema: ClassVar[int] = 2  # raised when a field changes its meaning

    sample_id: str
    group: str
    modality: str
    data_kind: DataKind
    status: SampleStatus
    error: str
    question: str
    reference_answer: str
    answer: str
    height: int
    width: int
    position: tuple[str, ...]  # official label of the true mask; ("no mask",) if it is empty
    near_centre: bool
    position_of_centroid: str
    truth_centroid: Point | None
    predicted_centroid: Point | None  # of the float map at >= 0.5
    counts: Counts | None
    seconds: float
    batch_size: int = 0  # of its predict call: smaller than configured after a failure; 0 if the sample was not predicted
    measures: MapMeasures | None = None
    family: str = OFFICIAL  # of the question (`contract.families`)

    def to_json(self) -> dict[str, Any]:
        out = {name: getattr(self, name) for name in self.__slots__}
        if self.family == OFFICIAL:  # omitted, so that records of official tables stay what they were
            del out["family"]
        out["counts"] = self.counts.to_json() if self.counts else None
        out["measures"] = self.measures.to_json() if self.measures else None
        out["data_kind"] = str(self.data_kind)
        out["position"] = list(self.position)
        for name in ("truth_centroid", "predicted_centroid"):
            out[name] = asdict(out[name]) if out[name] else None
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        fields = {**data, "status": SampleStatus(data["status"])}
        fields["counts"] = Counts.from_json(data["counts"]) if data["counts"] else None
        fields["measures"] = MapMeasures.from_json(data["measures"]) if data.get("measures") else None
        fields["data_kind"] = DataKind(data["data_kind"])
        fields["position"] = tuple(data["position"])
        for name in ("truth_centroid", "predicted_centroid"):
            fields[name] = Point(**data[name]) if data[name] else None
        return cls(**fields)
