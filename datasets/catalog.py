"""Catalog of the sources of `prepare`, and the function that writes any of them into a folder of the official layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError, unknown_name
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.types import DataKind

if TYPE_CHECKING:
    from prsbench.datasets.official_writer import WrittenCounts


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of archive. find is "module:attribute"; modality is None where the caller must give it."""

    summary: str
    find: str
    modality: str | None


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What `prepare` wrote. images_per_split has train, val and test; groups are patients, videos or cases."""

    source: str
    folder: Path
    modalities: tuple[str, ...]
    images: int
    empty_masks: int
    groups: int
    images_per_split: Mapping[str, int]

    def __str__(self) -> str:
        per_split = ", ".join(f"{split} {images}" for split, images in self.images_per_split.items())
        return (
            f"{self.source}: {self.images} images in {self.groups} groups ({per_split}; {self.empty_masks} with an empty mask) "
            f"as {', '.join(self.modalities)} in {self.folder}"
        )


_PREPARE = "prsbench.datasets.prepare"
SOURCES: Mapping[str, Source] = {
    "lgg": Source("LGG brain MRI, kaggle_3m/<patient>/", f"{_PREPARE}.lgg:find", "brain_mri"),
    "busi": Source("BUSI breast ultrasound, Dataset_BUSI_with_GT/", f"{_PREPARE}.busi:find", "breast_us"),
    "cvc-clinicdb": Source("CVC-ClinicDB polyps, PNG/Original/", f"{_PREPARE}.cvc_clinicdb:find", "polyp_endoscopy"),
    "ph2": Source("PH2 dermoscopy, PH2 Dataset images/", f"{_PREPARE}.ph2:find", "skin_rgb"),
    "pairs": Source("any images/ and masks/ with the same names; needs --modality and --target", f"{_PREPARE}.pairs:find", None),
    "phantoms": Source(
        "synthetic images of all modalities; needs no --from", "prsbench.datasets.phantoms.dataset:materialise", None
    ),
}


def prepare(
    source: str, from_folder: Path | None, to_folder: Path, *, modality: str | None = None, target: str | None = None,
    archive: str | None = None, group: str | None = None, seed: int = 0,
) -> PrepareReport:  # fmt: skip
    """Write an archive (or phantoms) into to_folder; the same call again gives the same bytes.

    Args:
        modality, target, archive, group: only for "pairs": the modality, a noun for what the masks outline ("lungs"), the
            archive's name (default: that of from_folder), and the rule that names cases (see `prepare.pairs`).
        seed: of splits and wording, and of the pictures for "phantoms".

    Raises:
        ConfigError: an unknown source or modality, or an argument that is missing or not allowed.
        DataError: faults in the archive or in to_folder.
    """
    if source not in SOURCES:
        raise unknown_name("source", source, SOURCES)
    options = {"modality": modality, "target": target, "archive": archive, "group": group}
    _check_options(source, options)
    if source == "phantoms":
        return _prepare_phantoms(to_folder, seed)
    if from_folder is None:
        raise ConfigError(f"Source '{source}' needs --from: the folder where the archive was unpacked.")
    from prsbench.datasets.official_writer import write_modality
    from prsbench.datasets.questions import target_of

    modality = modality or SOURCES[source].modality
    assert modality is not None  # the source has one, or it is "pairs", whose options were checked
    find = resolve(SOURCES[source].find)
    find = partial(find, group=group) if source == "pairs" else find
    name = archive or (from_folder.resolve().name if source == "pairs" else source)
    written = write_modality(to_folder, modality, target_of(modality, target), name, DataKind.REAL, find(from_folder), seed)
    return _report(name, to_folder, (modality,), [written])


def _check_options(source: str, options: Mapping[str, str | None]) -> None:
    if source != "pairs":
        not_allowed = [f"--{name}" for name, value in options.items() if value is not None]
        if not_allowed:
            raise ConfigError(f"Source '{source}' sets {', '.join(not_allowed)} itself: omit it, or use the source 'pairs'.")
    elif options["modality"] is None or options["target"] is None:
        raise ConfigError("Source 'pairs' needs --modality and --target (what the masks outline, such as 'lungs').")
    elif options["modality"] not in MODALITIES:
        raise unknown_name("modality", options["modality"], MODALITIES)


def _prepare_phantoms(to_folder: Path, seed: int) -> PrepareReport:
    from prsbench.datasets.official_writer import written_in
    from prsbench.datasets.phantoms.dataset import PhantomsConfig, materialise

    config = PhantomsConfig(seed=seed)
    materialise(config, to_folder)
    return _report("phantoms", to_folder, config.modalities, [written_in(to_folder, name) for name in config.modalities])


def _report(source: str, folder: Path, modalities: tuple[str, ...], written: Sequence[WrittenCounts]) -> PrepareReport:
    per_split: Counter[str] = Counter()
    for counts in written:
        per_split.update(counts.images_per_split)
    return PrepareReport(
        source=source,
        folder=folder,
        modalities=modalities,
        images=sum(counts.images for counts in written),
        empty_masks=sum(counts.empty_masks for counts in written),
        groups=sum(counts.groups for counts in written),
        images_per_split=dict(per_split),
    )
