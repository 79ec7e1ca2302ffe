"""Catalog of the sources of `prepare`, and the function that writes any of them into a folder of the official layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError, DataError, unknown_name
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.types import DataKind


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of archive. find is "module:attribute"; modality is None where the caller must give it."""

    summary: str
    find: str
    modality: str | None


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What `prepare` wrote, and what to look at. images_per_split has train, val and test; groups are patients, videos or cases.

    median_foreground is the median share of its picture that a mask covers, NaN if all are empty and for phantoms. large_masks
    cover more than half; equal_pictures show what another one shows, shared_pictures are in more than one split. left_out are the
    files below --from that were not taken.
    """

    source: str
    folder: Path
    modalities: tuple[str, ...]
    images: int
    empty_masks: int
    groups: int
    images_per_split: Mapping[str, int]
    median_foreground: float = nan
    large_masks: tuple[str, ...] = ()
    equal_pictures: int = 0
    shared_pictures: int = 0
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        per_split = ", ".join(f"{split} {images}" for split, images in self.images_per_split.items())
        median = "" if isnan(self.median_foreground) else f"; median foreground {self.median_foreground:.0%}"
        found = f"{self.images} images in {self.groups} groups ({per_split}; {self.empty_masks} with an empty mask{median})"
        lines = [f"{self.source}: {found} as {', '.join(self.modalities)} in {self.folder}"]
        if self.equal_pictures:
            where = "Equal images share a group, so that no two splits share one."
            if self.shared_pictures:
                where = f"{self.shared_pictures} are in two splits: the archive's splits, or too few groups, leave no choice."
            lines.append(f"  {self.equal_pictures} images equal another one pixel by pixel. {where}")
        if self.median_foreground > 0.5:
            lines.append(
                f"  Warning: half of the masks cover more than {self.median_foreground:.0%} of their picture. Are they inverted? "
                "The target must be white on black."
            )
        elif self.large_masks:
            lines.append(f"  More than half of the picture is covered by {_listed('mask', self.large_masks)}. Are they inverted?")
        if self.left_out:
            lines.append(f"  Not taken: {_listed('file', self.left_out)}.")
        return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def _listed(noun: str, names: Sequence[str]) -> str:
    """The number of names and the first ten of them."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{len(names)} {noun}{'s'[: len(names) != 1]} ({', '.join(names[:10])}{more})"


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
    if to_folder.exists() and not to_folder.is_dir():
        raise ConfigError(f"--to {to_folder}: expected a folder, got a file. Choose another name.")
    options = {"modality": modality, "target": target, "archive": archive, "group": group}
    _check_options(source, options)
    if source == "phantoms":
        return _prepare_phantoms(to_folder, seed)
    if from_folder is None:
        raise ConfigError(f"Source '{source}' needs --from: the folder where the archive was unpacked.")
    from prsbench.datasets.official_writer import write_modality
    from prsbench.datasets.prepare.archive import left_out
    from prsbench.datasets.questions import target_of

    modality = modality or SOURCES[source].modality
    assert modality is not None  # the source has one, or it is "pairs", whose options were checked
    find = resolve(SOURCES[source].find)
    items = list(find(from_folder, group=group) if source == "pairs" else find(from_folder))
    unused = left_out(from_folder, {file for item in items for file in item.files}, to_folder)
    left = tuple(str(path.relative_to(from_folder)) for path in unused)
    if not items:
        raise DataError(f"{from_folder}: expected pictures, found none. Not taken: {_listed('file', left)}. Check the folder.")
    name = archive or (from_folder.resolve().name if source == "pairs" else source)
    try:
        counts = write_modality(to_folder, modality, target_of(modality, target), name, DataKind.REAL, items, seed)
    except OSError as error:
        raise _unwritable(to_folder, error) from error
    checked = (counts.median_foreground, counts.large_masks, counts.equal_pictures, counts.shared_pictures, left)
    return PrepareReport(
        name, to_folder, (modality,), counts.images, counts.empty_masks, counts.groups, counts.images_per_split, *checked
    )


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
    try:
        materialise(config, to_folder)
    except OSError as error:
        raise _unwritable(to_folder, error) from error
    written = [written_in(to_folder, name) for name in config.modalities]
    per_split: Counter[str] = Counter()
    for counts in written:
        per_split.update(counts.images_per_split)
    images, empty, groups = (sum(getattr(counts, name) for counts in written) for name in ("images", "empty_masks", "groups"))
    return PrepareReport("phantoms", to_folder, config.modalities, images, empty, groups, dict(per_split))


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(f"--to {folder}: cannot be written: {error}. Make room, shorten the names, or choose another folder.")
