"""Config of a row of saved predictions: where the files are, and what the user states about them. Torch-free."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from prsbench.harness.contract.config import GivenPath, MethodConfig
from prsbench.harness.contract.types import PromptSource, TextSource
from prsbench.methods.saved_predictions.table import missing_and_surplus, read_table, table_of
from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

STATED = ("prompt_source", "weights", "text_source")
_MOST_NAMES = 3  # of samples, in a note


class SavedPredictionsConfig(MethodConfig):
    """`from` is a folder with answers.csv and masks/, or a CSV with the paths of the masks (`saved_predictions.table`)."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: GivenPath | None = Field(None, alias="from")  # None: skipped, with instructions
    weights: Annotated[str, Field(min_length=1, max_length=500)] | None = None  # which, and trained on what, in the user's words
    text_source: TextSource = TextSource.GENERATED
    white: Annotated[int, Field(ge=1, le=255)] | None = None  # certain foreground in whole numbers; None: read off the files
    nifti_axes: Literal["x_y", "y_x"] | None = None  # order of a NIfTI slice's axes; x_y as SimpleITK and scanners write them

    @field_validator("prompt_source", "text_source", mode="before")
    @classmethod
    def _take_names(cls, value: Any, field: ValidationInfo) -> Any:
        """Accept oracle_box for "oracle box", and own_mask for "templated from own mask"."""
        kind = PromptSource if field.field_name == "prompt_source" else TextSource
        return kind.__members__.get(value.upper().replace(" ", "_"), value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _refuse_what_is_not_stated(self) -> Self:
        missing = [key for key in STATED if key not in self.model_fields_set or (key == "weights" and not self.weights)]
        if self.from_ is not None and missing:
            raise ValueError(f"state {', '.join(missing)} of these predictions too; nothing in the files says it")
        return self

    def checkpoints(self) -> Mapping[str, Path | tuple[Path, ...]]:
        """The table, and every mask file it names.

        Raises:
            ConfigError: the table cannot be read.
        """
        if self.from_ is None:
            return {}
        table = table_of(Path(self.from_))
        if not table.is_file():
            return {"from": table}
        return {"from": table, "masks": tuple(line.mask for line in read_table(Path(self.from_)).values() if line.mask)}

    def note_on(self, sample_ids: Collection[str]) -> str:
        """How many of these samples have no line, and how many lines are of no such sample, with the first ones."""
        if self.from_ is None or not table_of(Path(self.from_)).is_file():
            return ""
        missing, surplus = missing_and_surplus(read_table(Path(self.from_)), sample_ids)
        notes = []
        if missing:
            notes.append(f"{len(missing)} of {len(sample_ids)} samples have no line and will fail: {_first(missing)}")
        if surplus:
            notes.append(f"{len(surplus)} lines are of no sample of this grid and are not used: {_first(surplus)}")
        return "; ".join(notes)


def _first(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
