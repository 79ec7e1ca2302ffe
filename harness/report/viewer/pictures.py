"""Pictures of the viewer: images shrunk to at most 512 pixels, and masks as transparent PNGs to lay over them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features
from scipy.ndimage import binary_erosion

MOST_PIXELS = 512  # of the longer side
ENDING = "webp" if features.check("webp") else "png"
_TRUTH_COLOUR, _PREDICTION_COLOUR = (0xFF, 0xD4, 0x00), (0x00, 0xC8, 0xFF)  # as in the report's examples
_FILLED, _EMPTY, _OPAQUE = 0x59, 0, 0xFF
_EDGE_SHARE = 200  # the outline is this part of the longer side


def shown_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) at which a picture of this size is stored; never enlarged, never below one pixel."""
    scale = min(1.0, MOST_PIXELS / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def image_file(image: NDArray[np.uint8]) -> bytes:
    """An (H, W, 3) image as the bytes of a file in the format ENDING; for viewing, not for measuring."""
    height, width = shown_size(*image.shape[:2])
    picture, out = Image.fromarray(image), BytesIO()
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    picture.save(out, format=ENDING, **({"quality": 90, "method": 1} if ENDING == "webp" else {}))
    return out.getvalue()


def truth_overlay(mask: NDArray[np.bool_]) -> bytes:
    """The outline of an (H, W) mask as a transparent PNG."""
    return _overlay(mask, _TRUTH_COLOUR, _EMPTY)


def prediction_overlay(mask: NDArray[np.bool_]) -> bytes:
    """The outline and a light filling of an (H, W) mask as a transparent PNG."""
    return _overlay(mask, _PREDICTION_COLOUR, _FILLED)


def _overlay(mask: NDArray[np.bool_], colour: tuple[int, int, int], filling: int) -> bytes:
    small = _shrunk(mask)
    inside = binary_erosion(small, iterations=max(1, round(max(small.shape) / _EDGE_SHARE)))
    picture, out = Image.fromarray(small.astype(np.uint8) + (small & ~inside)), BytesIO()  # 0 outside, 1 inside, 2 outline
    picture.putpalette(colour * 3)
    picture.save(out, format="PNG", bits=2, transparency=bytes((_EMPTY, filling, _OPAQUE)))
    return out.getvalue()


def _shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask at its shown size: pixels of which at least half is covered, or any part if there would be none."""
    height, width = shown_size(*mask.shape)
    if (height, width) == mask.shape:
        return mask
    share = np.asarray(Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
    half: NDArray[np.bool_] = share >= 0.5
    return half if half.any() else share > 0
