"""What a cell stores of each prediction besides its maps, so that it can be measured again without running the method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class KeptPrediction:
    """One line of predictions.jsonl. The fields mean the same as in `Record`."""

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
