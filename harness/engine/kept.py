"""What a cell keeps of each prediction beside its maps: with them, all that is ever measured, so that no method runs twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class KeptPrediction:
    """One line of predictions.jsonl. The fields are those of `Record` with the same names."""

    schema: ClassVar[int] = 1

    sample_id: str
    status: str
    error: str
    answer: str
    seconds: float
    batch_size: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**data)
