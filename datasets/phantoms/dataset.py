"""The phantom data set: synthetic images of all modalities, written by the same writer as real archives and marked synthetic."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prsbench.datasets.card import CARD
from prsbench.datasets.official_writer import Answers, Item, write_modality
from prsbench.datasets.phantoms.difficulty import Difficulty, GivenDifficulty
from prsbench.datasets.questions import target_of
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError, unknown_name
from prsbench.harness.contract.families import OFFICIAL, check_families
from prsbench.harness.contract.modalities import BY_NAME, MODALITIES
from prsbench.harness.contract.source_code import code_of, import_closure
from prsbench.harness.contract.types import DataKind
from pydantic import BaseModel, ConfigDict, Field, field_validator

ARCHIVE = "phantom"
FIRST_INDEX = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # far apart, so that one split's size does not change another
_IN_ONE_PROCESS = 150  # pictures that are drawn before other processes would have started
KEY_FILE = "phantoms_key.txt"


class PhantomsConfig(BaseModel):
    """How many images are drawn per modality, from which seed, and what their answers name.

    answers: the official label, or the lesions' points ("0.3 right, 0.2 down" of the centre). families: the kinds of questions
    (`contract.families`); a phantom has no patient's side.
    two_share: probability of two lesions, which may not fit; None: each modality's own.
    difficulty: a level's name, an amount from 0 to 1, or amounts by axis; it changes no mask, question or answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int = Field(default=7, ge=0, lt=2**32, strict=True)  # strict: yes is no number
    train: int = Field(default=60, ge=1, le=FIRST_INDEX["val"], strict=True)
    val: int = Field(default=12, ge=1, le=FIRST_INDEX["val"], strict=True)
    test: int = Field(default=24, ge=1, le=FIRST_INDEX["val"], strict=True)
    modalities: tuple[str, ...] = Field(default=MODALITIES, min_length=1)
    answers: Answers = "zones"
    families: tuple[str, ...] = (OFFICIAL,)
    two_share: float | None = Field(default=None, ge=0, le=1, strict=True)
    difficulty: GivenDifficulty = Difficulty()

    @field_validator("modalities")
    @classmethod
    def _are_known(cls, modalities: tuple[str, ...]) -> tuple[str, ...]:
        for modality in modalities:
            if modality not in MODALITIES:
                raise unknown_name("modality", modality, MODALITIES)
        if len(set(modalities)) < len(modalities):
            raise ValueError("a modality is listed twice")
        return modalities

    @field_validator("families")
    @classmethod
    def _can_be_asked(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        check_families(families)
        if "patient-side" in families:
            raise ValueError("a phantom has no patient's side: ask 'side', the side of the image")
        return families


def materialise(config: PhantomsConfig, folder: Path) -> None:
    """Draw the data set into a folder that does not exist or is empty; a folder that already holds it is left unchanged.

    The folder appears in one step, complete. Two processes may do this at once.

    Raises:
        DataError: the folder holds something else.
    """
    key = phantoms_key(config)
    if _holds(folder, key):
        return
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: expected an empty folder or these phantoms, got something else. Choose another folder.")
    partial_folder = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    try:
        for modality in config.modalities:
            target = target_of(modality, BY_NAME[modality].phantom_target)
            items = list(_items(config, modality))
            processes = -1 if len(items) * len(config.modalities) > _IN_ONE_PROCESS else 1
            how = config.seed, config.answers, config.families, processes
            write_modality(partial_folder, modality, target, ARCHIVE, DataKind.SYNTHETIC, items, *how)
        (partial_folder / KEY_FILE).write_text(key + "\n", encoding="utf-8")
        try:
            partial_folder.replace(folder)
        except OSError:
            if not _holds(folder, key):  # otherwise another process has just made it
                raise
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def phantoms_key(config: PhantomsConfig) -> str:
    """sha256 of everything that determines the folder's bytes: config, drawing code, wording, labels and layout."""
    modules = import_closure(["prsbench.datasets.phantoms.drawing", "prsbench.datasets.official_writer"])
    code = {name: code_of(name) for name in modules}
    return sha256(json.dumps([config.model_dump(mode="json"), code]).encode()).hexdigest()


def _items(config: PhantomsConfig, modality: str) -> Iterator[Item]:
    for split in SPLITS:
        for number in range(getattr(config, split)):
            index = FIRST_INDEX[split] + number
            yield Item(f"{index:07d}", f"{index:07d}", partial(_drawn, config, modality, index), split)


def _drawn(config: PhantomsConfig, modality: str, index: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    from prsbench.datasets.phantoms.drawing import draw

    phantom = draw(modality, config.seed, index, config.two_share, config.difficulty)
    return phantom.image, phantom.mask


def _holds(folder: Path, key: str) -> bool:
    written = folder / KEY_FILE
    return (folder / CARD).is_file() and written.is_file() and written.read_text(encoding="utf-8").strip() == key
