"""A row of saved predictions: masks, sentences and seconds from files, scored as if the method had run here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prsbench.harness.contract.errors import DataError, MissingPrerequisite
from prsbench.harness.contract.files import safe_stem
from prsbench.harness.contract.types import Labels, Prediction, Query, Weights
from prsbench.methods.frozen import FrozenMethod
from prsbench.methods.saved_predictions.config import SavedPredictionsConfig
from prsbench.methods.saved_predictions.maps import SavedMaps
from prsbench.methods.saved_predictions.table import ANSWERS, read_table, table_of


class SavedPredictions(FrozenMethod):
    """Looks up each query in the user's table. Nothing of what the labels say can be checked, and they say so."""

    def __init__(self, config: SavedPredictionsConfig):
        self.config = config

    @property
    def labels(self) -> Labels:
        notes = (
            "predictions made elsewhere; prompt source, weights and text source are stated by the user",
            f"weights, stated by the user: {self.config.weights or 'nothing'}",
            "seconds, if any, are stated by the user, of another machine",
        )
        return Labels(self.config.prompt_source, Weights.STATED, self.config.text_source, notes)

    def load(self, folder: Path, device: str) -> None:  # noqa: ARG002 (nothing was trained here)
        """Read the table.

        Raises:
            MissingPrerequisite: there is no table, or NIfTI files cannot be read.
            ConfigError: the table cannot be used.
        """
        config = self.config
        if config.from_ is None or not table_of(Path(config.from_)).is_file():
            found = "no `from` is set" if config.from_ is None else f"no file at {table_of(Path(config.from_))}"
            what = f"a folder with {ANSWERS} and masks/, or a CSV; `prsbench queries` writes images and questions"
            raise MissingPrerequisite(f"saved: skipped, {found}. Set `from` to {what}.")
        self._lines = read_table(Path(config.from_))
        files = (line.mask for line in self._lines.values() if line.mask)
        self._maps = SavedMaps(files, config.from_, config.white, config.nifti_axes)

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """The saved prediction of each query; seconds are 0 where the table has none.

        Raises:
            DataError: a query has no line or no mask, or its mask cannot be used.
        """
        return [self._predict_one(query) for query in queries]

    def _predict_one(self, query: Query) -> Prediction:
        line = self._lines.get(safe_stem(query.sample_id))
        if line is None:
            raise DataError(f"no saved prediction for sample '{query.sample_id}' in {self.config.from_}. Add a line for it.")
        if line.mask is None:
            raise DataError(f"{line.where}: no mask for sample '{query.sample_id}'. Save one, all zeros if nothing was found.")
        return Prediction(self._maps.read(line.mask, query.image.shape[:2]), line.answer, line.seconds or 0.0)
