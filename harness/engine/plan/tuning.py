"""Tuning: the same number of learning rates for every row trained here, each for the same time, scored on the val split.

Short trainings favour high rates. So the two best tries, and a third made of them, are then trained for as many epochs as the
grid asks for, and these finals decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.engine.grid.schema import GridConfig, MethodChoice, Sweep
from prsbench.harness.engine.grid.validation import validated
from prsbench.harness.engine.plan.choices import Registry, resolve_choices
from pydantic import field_validator

LORA, OF_MASKS = "lora.learning_rate", "decoder_learning_rate"
RATES = ("learning_rate", OF_MASKS, "encoder_learning_rate", "backbone.learning_rate")  # changed together
# Factors of a row's rates and of its LoRA's; the first is the default. A row without LoRA has as many tries, over a wider range.
WITH_LORA = ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (1.0, 0.3), (1.0, 3.0))
WITHOUT_LORA = ((1.0, 1.0), (0.3, 1.0), (3.0, 1.0), (0.1, 1.0), (10.0, 1.0))


class TuningGrid(GridConfig):
    """A grid scored on val. No grid file can ask for it, and no report shows its numbers as results."""

    split: Literal["val"] = "val"  # type: ignore[assignment]

    @field_validator("split", mode="before")
    @classmethod
    def _refuse_val(cls, split: Any) -> Any:
        return split


@dataclass(frozen=True, slots=True)
class Try:
    """One config of a row: all its learning rates, by key."""

    method: str
    rates: Mapping[str, float]

    def sweep(self, epochs: int) -> Sweep:
        """A sweep of this config alone."""
        return Sweep(method=self.method, over={"epochs": (epochs,), **{key: (rate,) for key, rate in self.rates.items()}})

    def row(self, epochs: int) -> str:
        """The name of its row."""
        return self.sweep(epochs).variants(MethodChoice(name=self.method))[0].row


def tries_of(grid: GridConfig, registry: Registry, only: Collection[str] = ()) -> dict[str, list[Try]]:
    """The tries of every row of the grid that is trained here with a learning rate, by method; the row's own rates come first.

    Raises:
        ConfigError: `only` names another method, or no row is left.
    """
    tries: dict[str, list[Try]] = {}
    for name, entry, config in resolve_choices(_plain(grid), registry):
        values = config.model_dump(mode="json")
        own = {key: rate for key in (*RATES, LORA) if isinstance(rate := _value_at(values, key), float)}
        if entry.trains and "learning_rate" in own and "epochs" in values:
            factors = WITH_LORA if LORA in own else WITHOUT_LORA
            tries[name] = [Try(name, _scaled(own, factor, of_lora)) for factor, of_lora in factors]
    for name in only:
        if name not in tries:
            raise unknown_name("row with a learning rate", name, tries)
    chosen = {name: some for name, some in tries.items() if not only or name in only}
    if not chosen:
        raise ConfigError("tune: no row of this grid is trained here. Name a grid with one, such as 'full'.")
    return chosen


def full_epochs(grid: GridConfig, registry: Registry, names: Collection[str]) -> dict[str, int]:
    """How many epochs the grid trains each of these methods for."""
    choices = resolve_choices(_plain(grid), registry)
    return {name: config.model_dump()["epochs"] for name, _, config in choices if name in names}


def tuning_grid(grid: GridConfig, tries: Mapping[str, Sequence[Try]], epochs: Mapping[str, int]) -> TuningGrid:
    """The tries as a grid on the data and with the first seed of `grid`, each for its row's number of epochs."""
    content = {
        **grid.model_dump(mode="json", exclude={"split"}),
        "name": f"{grid.name}-tuning",
        "methods": [{choice.name: dict(choice.overrides)} for choice in grid.methods if choice.name in tries],
        "seeds": grid.seeds[:1],
        "sweeps": [one.sweep(epochs[name]).model_dump(mode="json") for name, some in tries.items() for one in some],
        "ablations": [],
        "include": [],
        "exclude": [],
    }
    return validated(TuningGrid, content, lambda _: "tune: ")


def _plain(grid: GridConfig) -> GridConfig:
    return grid.model_copy(update={"sweeps": (), "ablations": ()})


def _scaled(own: Mapping[str, float], factor: float, of_lora: float) -> dict[str, float]:
    return {key: rounded(rate * (of_lora if key == LORA else factor)) for key, rate in own.items()}


def rounded(rate: float) -> float:
    """To two digits, as all tries are."""
    return float(f"{rate:.2g}")


def _value_at(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values
