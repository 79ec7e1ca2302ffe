"""The contact sheet of a data root: a few pictures of each split with their masks' outlines, questions and answers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from prsbench.datasets.official_reader import FolderDataset, open_root
from prsbench.harness.contract.errors import ConfigError, DataError
from prsbench.harness.contract.files import write_atomically
from prsbench.harness.contract.types import Sample
from scipy import ndimage

MOST_PICTURES = 50  # of a split
ACROSS = 6  # pictures in a line
SIDE, GAP, LINE, TITLE = 210, 10, 15, 26  # px: box of a picture, space around it, height of a line of text and of a heading
TEXT_LINES = {"id": 1, "question": 3, "answer": 3}
OUTLINE, INK, GREY, FAULT = (255, 64, 0), (0, 0, 0), (110, 110, 110), (190, 0, 0)


def write_contact_sheet(root: Path, path: Path, n_pictures: int = ACROSS) -> int:
    """Write a PNG of pictures spread evenly over each split; a picture that cannot be read has its error in its place.

    The same root gives the same sheet.

    Returns:
        The number of pictures shown.

    Raises:
        ConfigError: n_pictures is not 1 to MOST_PICTURES.
        DataError: no table of a known modality, or a faulty one.
        OSError: the file cannot be written.
    """
    if not 1 <= n_pictures <= MOST_PICTURES:
        raise ConfigError(f"--pictures: expected 1 to {MOST_PICTURES}, got {n_pictures}.")
    bands, n_shown = [], 0
    for dataset in open_root(root):
        for split in dataset.splits:
            places, n_all = _spread(dataset, split, n_pictures)
            tiles = [_tile(dataset, split, place) for place in places]
            bands.append(_band(f"{dataset.name}, {split}: {len(tiles)} of {n_all} pictures ({dataset.data_kind})", tiles))
            n_shown += len(tiles)
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(bands)).save(stream, format="PNG")
    write_atomically(path, stream.getvalue(), durable=False)
    return n_shown


def _spread(dataset: FolderDataset, split: str, n_pictures: int) -> tuple[list[int], int]:
    """The place of the first question about some pictures, from the first to the last, and how many pictures there are."""
    first: dict[str, int] = {}
    for place, mask in enumerate(dataset.columns.of_split(split).column("mask")):
        first.setdefault(mask, place)
    places = list(first.values())
    chosen = np.unique(np.linspace(0, len(places) - 1, min(n_pictures, len(places))).round().astype(int))
    return [places[number] for number in chosen.tolist()], len(places)


def _tile(dataset: FolderDataset, split: str, place: int) -> Image.Image:
    """A picture above its id, question and answer."""
    height = SIDE + LINE * sum(TEXT_LINES.values())
    tile = Image.new("RGB", (SIDE, height), "white")
    pen = ImageDraw.Draw(tile)
    try:
        sample = dataset.samples(split)[place]
    except (DataError, OSError) as error:
        _write(pen, str(error), 0, 14, FAULT)
        return tile
    tile.paste(picture := _outlined(sample), ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    top = SIDE
    texts = {"id": sample.sample_id, "question": sample.query.question, "answer": sample.truth.answer}
    for (name, n_lines), colour in zip(TEXT_LINES.items(), (GREY, INK, OUTLINE), strict=True):
        _write(pen, texts[name], top, n_lines, colour)
        top += n_lines * LINE
    return tile


def _outlined(sample: Sample) -> Image.Image:
    """The picture in a box of SIDE px, with the outline of its mask just outside of it."""
    height, width = sample.truth.mask.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = np.asarray(Image.fromarray(sample.query.image).resize(size, Image.Resampling.LANCZOS)).copy()
    mask = np.asarray(Image.fromarray(sample.truth.mask).resize(size, Image.Resampling.NEAREST))
    pixels[ndimage.binary_dilation(mask, np.ones((3, 3), bool)) & ~mask] = OUTLINE
    return Image.fromarray(pixels)


def _write(pen: ImageDraw.ImageDraw, text: str, top: int, n_lines: int, colour: tuple[int, int, int]) -> None:
    """Text in lines as wide as a tile; what does not fit is cut off with dots."""
    font = ImageFont.load_default(11)
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < n_lines:
        n = next((n for n in range(len(rest), 1, -1) if font.getlength(rest[:n]) <= SIDE), 1)
        if n < len(rest) and (space := rest.rfind(" ", 0, n + 1)) > 0:
            n = space
        lines.append(rest[:n])
        rest = rest[n:].lstrip()
    if rest:
        lines[-1] = f"{lines[-1][:-3]}..."
    for number, line in enumerate(lines):
        pen.text((0, top + 2 + number * LINE), line, fill=colour, font=font)


def _band(title: str, tiles: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """(H, W, 3): a heading over lines of tiles."""
    step = SIDE + GAP, SIDE + LINE * sum(TEXT_LINES.values()) + GAP
    n_rows = -(-len(tiles) // ACROSS)
    band = Image.new("RGB", (GAP + ACROSS * step[0], TITLE + n_rows * step[1]), "white")
    ImageDraw.Draw(band).text((GAP, 6), title, fill=INK, font=ImageFont.load_default(15))
    for number, tile in enumerate(tiles):
        band.paste(tile, (GAP + number % ACROSS * step[0], TITLE + number // ACROSS * step[1]))
    return np.asarray(band)
