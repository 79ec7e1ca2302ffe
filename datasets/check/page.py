"""What a check found, as a page with thumbnails (check.html), as Markdown and as findings.csv."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Iterator
from html import escape
from math import nan
from pathlib import Path

import numpy as np
from PIL import Image
from prsbench.datasets.check.check import Checked
from prsbench.datasets.check.examined import Facts, Named
from prsbench.datasets.check.findings import CHECKS, Finding
from prsbench.datasets.pictures import read_image, read_mask
from prsbench.datasets.splits import SPLITS
from prsbench.harness.contract.errors import DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.position import NO_MASK, ZONES
from scipy import ndimage

MOST_SHOWN = 20  # findings of one kind with thumbnails; findings.csv has all
_SIDE = 160
_STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border-bottom:1px solid #8886;padding:.2em .6em;text-align:right}td:first-child,th:first-child{text-align:left}"
    "figure{display:inline-block;margin:.3em}figcaption{max-width:160px;font-size:11px;overflow-wrap:anywhere}"
    "div{overflow-x:auto}:root{color-scheme:light dark}"
)
Table = list[list[str]]


def write_pages(checked: Checked, to: Path) -> list[Path]:
    """Write the three files into a folder and return their paths."""
    tables = {"Pictures": _pictures(checked), "Masks": _masks(checked), "Positions": _positions(checked)}
    files = {
        "check.html": _html(checked, tables).encode(),
        "check.md": _markdown(checked, tables).encode(),
        "findings.csv": _csv(checked).encode(),
    }
    for name, data in files.items():
        write_atomically(to / name, data)
    return [to / name for name in files]


def _per_split(checked: Checked) -> Iterator[tuple[list[str], list[Facts]]]:
    """(data set and split, its facts) of every split that has pictures which can be used."""
    for dataset in checked.datasets:
        for split in SPLITS:
            chosen = (one.dataset == dataset and one.split == split for one in checked.pictures)
            facts = [facts for facts, take in zip(checked.facts, chosen, strict=True) if take and isinstance(facts, Facts)]
            if facts:
                yield [dataset, split], facts


def _pictures(checked: Checked) -> Table:
    groups = Counter((one.dataset, one.split) for one in {(n.dataset, n.split, n.group): n for n in checked.pictures}.values())
    rows = [["data set", "split", "pictures", "groups", "width x height", "image files", "mask files"]]
    for (dataset, split), facts in _per_split(checked):
        sizes = _most_common(f"{one.size[1]} x {one.size[0]}" for one in facts)
        encodings = [_most_common(one.encodings[kind] for one in facts) for kind in (0, 1)]
        rows.append([dataset, split, str(len(facts)), str(groups[dataset, split]), sizes, *encodings])
    return rows


def _masks(checked: Checked) -> Table:
    """Sizes of the foreground, over masks that are not empty."""
    rows = [["data set", "split", "empty", "foreground: 5 %", "median", "95 %", "lesions: 1", "2", "more", "with specks"]]
    for name, facts in _per_split(checked):
        full = [one for one in facts if one.pixels]
        quantiles = np.quantile([one.foreground for one in full], (0.05, 0.5, 0.95)) if full else [nan] * 3
        shares = [f"{value:.2%}" if full else "-" for value in quantiles]
        lesions = Counter(min(one.lesions, 3) for one in full)
        counts = [len(facts) - len(full), *shares, *(lesions[n] for n in (1, 2, 3)), sum(one.specks > 0 for one in full)]
        rows.append([*name, *map(str, counts)])
    return rows


def _positions(checked: Checked) -> Table:
    """Zones of the centroids, and how often the official label is another one. Lungs have two official phrases."""
    rows = [["data set", "split", *ZONES, "official label differs", "of these: 'center'"]]
    for name, facts in _per_split(checked):
        full = [one for one in facts if one.pixels]
        zones = Counter(one.zone for one in full)
        single = [one for one in full if len(one.position) == 1 and one.position != (NO_MASK,)]
        other = [one for one in single if one.position[0] != one.zone]
        noise = [f"{len(other)} of {len(single)}", str(sum(one.position[0] == "center" for one in other))]
        rows.append([*name, *(str(zones[zone]) for zone in ZONES), *noise])
    return rows


def _most_common(values: Iterator[str]) -> str:
    counts = Counter(values)
    shown = ", ".join(f"{value} ({count})" if len(counts) > 1 else value for value, count in counts.most_common(2))
    return shown + f" and {len(counts) - 2} more" * (len(counts) > 2)


def _kinds(checked: Checked) -> Iterator[tuple[str, list[Finding]]]:
    for name, check in CHECKS.items():
        found = [finding for finding in checked.findings if finding.check == name]
        if found:
            yield f"{'Problem' if check.is_problem else 'Note'}: {check.title} ({len(found)})", found


def _markdown(checked: Checked, tables: dict[str, Table]) -> str:
    lines = [f"# Check of {checked.root.name}", "", f"{len(checked.pictures)} pictures, problems: {len(checked.problems)}.", ""]
    for title, (head, *rows) in tables.items():
        lines += [f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [*(f"| {' | '.join(row)} |" for row in rows), ""]
    for title, found in _kinds(checked):
        lines += [f"## {title}", "", *(f"- {finding.sentence}" for finding in found[:MOST_SHOWN])]
        lines += [f"- and {len(found) - MOST_SHOWN} more, in findings.csv"] * (len(found) > MOST_SHOWN) + [""]
    return "\n".join(lines)


def _html(checked: Checked, tables: dict[str, Table]) -> str:
    title = escape(f"Check of {checked.root.name}")
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>'
    ]
    parts.append(f"<p>{len(checked.pictures)} pictures, {len(checked.problems)} problems. Masks are outlined.</p>")
    for heading, (names, *rows) in tables.items():
        cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        columns = "".join(f"<th>{escape(name)}</th>" for name in names)
        parts.append(f"<h2>{heading}</h2><div><table><tr>{columns}</tr>{cells}</table></div>")
    for heading, found in _kinds(checked):
        parts.append(f"<h2>{escape(heading)}</h2>")
        for finding in found[:MOST_SHOWN]:
            figures = "".join(_figure(checked.pictures[number]) for number in finding.pictures[:6])
            parts.append(f"<p>{escape(finding.sentence)}</p>{figures}")
        if len(found) > MOST_SHOWN:
            parts.append(f"<p>and {len(found) - MOST_SHOWN} more, in findings.csv</p>")
    return "\n".join(parts)


def _figure(named: Named) -> str:
    """A picture with its mask's outline; only its name if it cannot be read."""
    caption = f"<figcaption>{escape(named.image)}</figcaption>"
    try:
        image, mask = read_image(named.base / named.image), read_mask(named.base / named.mask)
    except DataError:
        return f"<figure>{caption}</figure>"
    scale = max(1, max(image.shape[:2]) // _SIDE)
    image, mask = image[::scale, ::scale].copy(), mask[::scale, ::scale]
    if mask.shape == image.shape[:2]:
        image[mask & ~ndimage.binary_erosion(mask)] = 255, 64, 0
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=80)
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(named.image)}">{caption}</figure>'


def _csv(checked: Checked) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["kind", "is_problem", "finding", "pictures", "excluded"])
    for finding in checked.findings:
        paths = [" | ".join(checked.pictures[n].mask for n in numbers) for numbers in (finding.pictures, finding.excluded)]
        writer.writerow([finding.check, CHECKS[finding.check].is_problem, finding.sentence, *paths])
    return stream.getvalue()
