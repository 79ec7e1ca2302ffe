"""Catalog of the sources of `prepare`, and the function that writes any of them into a folder of the official layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prsbench.datasets.prepare import (
    bus_uclm,
    busi,
    covid_qu_ex,
    cvc_300,
    cvc_clinicdb,
    cvc_colondb,
    etis,
    figshare,
    ham10000,
    isic2016,
    isic2017,
    isic2018,
    jsrt,
    kvasir_seg,
    lgg,
    montgomery,
    msd_lung,
    ph2,
    shenzhen,
)
from prsbench.datasets.prepare.source import Source
from prsbench.harness.contract.catalog import resolve
from prsbench.harness.contract.errors import ConfigError, DataError, unknown_name
from prsbench.harness.contract.families import OFFICIAL, check_families
from prsbench.harness.contract.modalities import MODALITIES
from prsbench.harness.contract.types import DataKind

if TYPE_CHECKING:
    from prsbench.datasets.official_writer import ArchiveCounts
    from prsbench.datasets.pictures import Labels


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What `prepare` wrote, and what to look at. images_per_split has train, val and test; groups are patients, videos or cases.

    median_foreground is the median share of its picture that a mask covers, NaN if all are empty and for phantoms. large_masks
    cover more than half; equal_pictures show what another one shows, shared_pictures are in more than one split. left_out are the
    files below --from that were not taken. notes are sentences on the archive: its expected counts, known defects and licence.
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
    notes: tuple[str, ...] = ()

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
        lines += [f"  {note}" for note in self.notes]
        return "\n".join(lines).encode("utf-8", "backslashreplace").decode()


def _listed(noun: str, names: Sequence[str]) -> str:
    """The number of names and the first ten of them."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{len(names)} {noun}{'s'[: len(names) != 1]} ({', '.join(names[:10])}{more})"


_PREPARE = "prsbench.datasets.prepare"
_GENERIC = Source("any images/ and masks/ with the same names; needs --modality and --target", None, "named by --group")
SOURCES: Mapping[str, Source] = {
    "lgg": lgg.SOURCE,
    "figshare-brain": figshare.SOURCE,
    "busi": busi.SOURCE,
    "bus-uclm": bus_uclm.SOURCE,
    "cvc-clinicdb": cvc_clinicdb.SOURCE,
    "cvc-colondb": cvc_colondb.SOURCE,
    "cvc-300": cvc_300.SOURCE,
    "etis": etis.SOURCE,
    "kvasir-seg": kvasir_seg.SOURCE,
    "isic2016": isic2016.SOURCE,
    "isic2017": isic2017.SOURCE,
    "isic2018": isic2018.SOURCE,
    "ham10000": ham10000.SOURCE,
    "ph2": ph2.SOURCE,
    "montgomery": montgomery.SOURCE,
    "shenzhen": shenzhen.SOURCE,
    "jsrt": jsrt.SOURCE,
    "covid-qu-ex": covid_qu_ex.SOURCE,
    "msd-lung": msd_lung.SOURCE,
    "pairs": replace(_GENERIC, find=f"{_PREPARE}.pairs:find", options=("group", "mask_suffix", "foreground", "ignore")),
    "volumes": replace(
        _GENERIC,
        title="any volumes (NIfTI, DICOM, NRRD, TIFF stacks) as slices; needs --modality, --target and --window",
        find=f"{_PREPARE}.volumes:find",
        options=("window", "axis", "slices", "mask_suffix", "foreground", "ignore"),
        case="volume",
    ),
    "hub": replace(
        _GENERIC,
        title="PosMed (MMRS) as Parquet or Arrow files of Hugging Face, questions and answers unchanged",
        find=f"{_PREPARE}.hub:write_hub",
        case="mask, as in the official tables",
    ),
    "phantoms": replace(
        _GENERIC,
        title="synthetic images of all modalities; needs no --from",
        find="prsbench.datasets.phantoms.dataset:materialise",
        case="drawn image",
    ),
}
MADE, WHOLE = "phantoms", "hub"  # sources that are drawn, and that come with questions and splits
NAMING = ("modality", "target", "archive")  # options of sources that set no modality


def prepare(
    source: str, from_folder: Path | None, to_folder: Path, *, modality: str | None = None, target: str | None = None,
    archive: str | None = None, seed: int = 0, families: Sequence[str] | None = None, **options: Any,
) -> PrepareReport:  # fmt: skip
    """Write an archive (or phantoms) into to_folder; the same call again gives the same bytes.

    Args:
        from_folder: a folder, a zip or tar, or a folder that holds some.
        modality, target, archive: only for "pairs" and "volumes": the modality, a noun for what the masks outline ("lungs") and
            the archive's name (default: that of from_folder).
        seed: of splits and wording, and of the pictures for "phantoms".
        families: the kinds of questions (`contract.families`), None: the official one alone. Not for "hub".
        options: of the source (`Source.options`), as its `find` describes them; None where not given.

    Raises:
        ConfigError: an unknown source or modality, or an argument that is missing or not allowed.
        DataError: faults in the archive or in to_folder.
    """
    if source not in SOURCES:
        raise unknown_name("source", source, SOURCES)
    if to_folder.exists() and not to_folder.is_dir():
        raise ConfigError(f"--to {to_folder}: expected a folder, got a file. Choose another name.")
    given = {name: value for name, value in options.items() if value is not None}
    _check_options(source, {"modality": modality, "target": target, "archive": archive}, given)
    _check_families(source, families)
    if source == MADE:
        return _prepare_phantoms(to_folder, seed, families or (OFFICIAL,))
    if from_folder is None:
        raise ConfigError(f"Source '{source}' needs --from: the folder where the archive was unpacked, or its zip or tar.")
    from prsbench.datasets.official_writer import write_modality
    from prsbench.datasets.pictures import Labels
    from prsbench.datasets.prepare.archive import left_out
    from prsbench.datasets.prepare.layout import find
    from prsbench.datasets.prepare.unpacked import name_of, unpacked
    from prsbench.datasets.questions import target_of

    known = SOURCES[source]
    if source == WHOLE:
        return _prepare_hub(from_folder, to_folder)
    modality = modality or known.modality
    assert modality is not None  # the source has one, or the options were checked for it
    labels = Labels(tuple(given.pop("foreground")), tuple(given.pop("ignore", ()))) if "foreground" in given else None
    if labels is not None:
        given["labels"] = labels
    name = archive or (source if known.modality else name_of(from_folder))
    try:
        with unpacked(from_folder, to_folder) as root:
            items = list(resolve(known.find)(root, **given) if known.find else find(known, root))
            unused = left_out(root, {file for item in items for file in item.files}, to_folder)
            left = tuple(str(path.relative_to(root)) for path in unused)
            if not items:
                raise DataError(
                    f"{from_folder}: expected pictures, found none. Not taken: {_listed('file', left)}. Check the folder."
                )
            counts = write_modality(
                to_folder, modality, target_of(modality, target or known.target), name, DataKind.REAL, items, seed,
                families=families or (OFFICIAL,),
            )  # fmt: skip
    except OSError as error:
        raise _unwritable(to_folder, error) from error
    checked = (counts.median_foreground, counts.large_masks, counts.equal_pictures, counts.shared_pictures, left)
    return PrepareReport(
        name, to_folder, (modality,), counts.images, counts.empty_masks, counts.groups, counts.images_per_split, *checked,
        notes=(*_notes_on(known, counts), *_notes_on_labels(labels)),
    )  # fmt: skip


def _prepare_hub(from_folder: Path, to_folder: Path) -> PrepareReport:
    from prsbench.datasets.prepare.hub import write_hub
    from prsbench.datasets.prepare.unpacked import name_of, unpacked

    try:
        with unpacked(from_folder, to_folder) as root:
            counts, modalities = write_hub(root, to_folder)
    except OSError as error:
        raise _unwritable(to_folder, error) from error
    name = name_of(from_folder)
    return PrepareReport(name, to_folder, modalities, counts.images, counts.empty_masks, counts.groups, counts.images_per_split)


def _check_options(source: str, naming: Mapping[str, str | None], options: Mapping[str, Any]) -> None:
    known = SOURCES[source]
    for_others = [name for name in options if name not in known.options]
    if known.modality is not None or source in (MADE, WHOLE):
        for_others += [name for name, value in naming.items() if value is not None]
    elif naming["modality"] is None or naming["target"] is None:
        raise ConfigError(f"Source '{source}' needs --modality and --target (what the masks outline, such as 'lungs').")
    elif naming["modality"] not in MODALITIES:
        raise unknown_name("modality", naming["modality"], MODALITIES)
    if for_others:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in for_others)
        raise ConfigError(f"Source '{source}' sets {flags} itself: omit it, or use the source 'pairs' or 'volumes'.")
    if "ignore" in options and "foreground" not in options:
        raise ConfigError("--ignore needs --foreground: say which values of the masks are the target.")


def _check_families(source: str, families: Sequence[str] | None) -> None:
    if families is None:
        return
    check_families(families)
    if source == WHOLE:
        raise ConfigError(f"Source '{source}' comes with its questions: omit --families, or prepare the archives themselves.")
    if source in (MADE, "volumes") and "patient-side" in families:
        raise ConfigError(
            f"Family 'patient-side' needs images in the radiological convention, which {source} may lack. Ask 'side'."
        )


def _notes_on(source: Source, counts: ArchiveCounts) -> Iterator[str]:
    """What the archive's description says about what was written."""
    counted = (("images", counts.images, source.images), ("cases", counts.groups, source.cases))
    if counts.not_asked:
        yield f"{counts.not_asked} images are left out: none of the families of questions can be asked of them."
    if differing := [f"{whole} {noun}" for noun, found, whole in counted if whole is not None and found != whole]:
        yield f"The complete archive has {' in '.join(differing)}: look for missing, foreign or equal ones, unless it is a part."
    yield from (f"Known: {defect}" for defect in source.defects)
    if source.modality is not None:
        yield f"Licence: {source.licence}. Cite: {source.citation}"


def _notes_on_labels(labels: Labels | None) -> Iterator[str]:
    if labels is None:
        return
    if labels.unseen:
        yield f"Warning: no mask has the value {', '.join(labels.unseen)} of --foreground. Is it right?"
    if labels.ignore:
        yield f"{labels.ignored_share:.1%} of the masks' pixels have a value of --ignore and count as background."


def _prepare_phantoms(to_folder: Path, seed: int, families: Sequence[str]) -> PrepareReport:
    from prsbench.datasets.official_writer import written_in
    from prsbench.datasets.phantoms.dataset import PhantomsConfig, materialise

    config = PhantomsConfig(seed=seed, families=tuple(families))
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
