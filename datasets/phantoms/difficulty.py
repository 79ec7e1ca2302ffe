"""How hard the phantoms are: five axes from 0 to 1 (`Difficulty`), and what they do to a picture (`Harder`).

At 0 a picture is the easy one, byte for byte. At every other value its anatomy, lesions and mask are the same, because what is
added has a random generator of its own: pictures of two difficulties can be compared one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
from prsbench.datasets.phantoms.canvas import Canvas, Field, Mask, soft
from prsbench.datasets.phantoms.lesions import Spot
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Bounds
from scipy import ndimage

LEVELS = {"easy": 0.0, "medium": 0.5, "hard": 0.75}
MOST_LOOK_ALIKES = 5
Amount = Annotated[float, Bounds(ge=0, le=1, strict=True)]


class Difficulty(BaseModel):
    """Each axis from 0 (easy) to 1.

    contrast: how much fainter lesions are. borders: how blurred and broken their outlines are. confounders: how many structures
    look like a lesion and are none. texture: cloudiness of all tissue, in patches of a lesion's size. noise: of the detector.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    contrast: Amount = 0.0
    texture: Amount = 0.0
    noise: Amount = 0.0
    confounders: Amount = 0.0
    borders: Amount = 0.0

    def __str__(self) -> str:
        """The amount if all axes have the same, else those above 0: "0.4", or "contrast 0.4, noise 1"."""
        amounts = self.model_dump()
        if len(set(amounts.values())) == 1:
            return f"{self.contrast:g}"
        return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items() if amount)


def _spread(value: Any) -> Any:
    """A level's name or one amount as the amounts of all axes; anything else as it is."""
    if isinstance(value, str):
        if value not in LEVELS:
            raise ValueError(f"expected {', '.join(LEVELS)}, an amount from 0 to 1, or amounts by axis")
        value = LEVELS[value]
    is_amount = isinstance(value, int | float) and not isinstance(value, bool)
    return dict.fromkeys(Difficulty.model_fields, value) if is_amount else value


GivenDifficulty = Annotated[Difficulty, BeforeValidator(_spread, json_schema_input_type=str | Amount | Difficulty)]


class Harder:
    """Makes a drawing harder by the amounts of a difficulty.

    canvas_of makes a canvas of the drawing's size with a generator that only these numbers decide: each axis and each look-alike
    has one, so that no axis changes another, and more difficulty keeps the look-alikes of less.
    """

    def __init__(self, canvas_of: Callable[[Sequence[int]], Canvas], difficulty: Difficulty):
        self._canvas_of, self._amount = canvas_of, difficulty
        self._contrast, self._borders, self._finish = (canvas_of([axis]) for axis in range(3))

    def lesion(self, without: Field, picture: Field, spot: Spot) -> Field:
        """The picture with its lesion fainter and its outline less clear; without is the picture before the lesion."""
        amount = self._amount
        if not (amount.contrast or amount.borders):
            return picture
        change = picture - without
        if amount.borders:
            sigma_px = amount.borders * (0.6 + 0.17 * spot.radius_px)
            change = ndimage.gaussian_filter(change, (sigma_px, sigma_px, 0)[: change.ndim])
            dissolved = 0.7 * amount.borders * soft(self._borders.noise(0.5 * spot.radius_px + 2) - 0.6, 0.25)
            change = change * _like(1 - dissolved, change)
        return without + (1 - 0.75 * amount.contrast * self._contrast.rng.uniform(0.6, 1)) * change

    def look_alikes(self, picture: Field, where: Mask, draw: Callable[[Canvas, Field, Spot], Field]) -> Field:
        """The picture with structures that look like a lesion, drawn where the mask is True."""
        if not self._amount.confounders:
            return picture
        room_px = ndimage.distance_transform_edt(np.pad(where, 1))[1:-1, 1:-1]
        for number in range(MOST_LOOK_ALIKES):
            canvas = self._canvas_of([3, number])
            if canvas.rng.random() < self._amount.confounders:
                radius_px = canvas.rng.uniform(5, 12)
                for row, col in canvas.sprinkle(room_px > 0.8 * radius_px, 1):
                    picture = draw(canvas, picture, Spot(row, col, radius_px))
        return picture

    def finish(self, picture: Field) -> Field:
        """The finished picture with clouded tissue and noise; what is black stays nearly black."""
        amount, canvas = self._amount, self._finish
        if not (amount.texture or amount.noise):
            return picture
        clouds = 0.7 * canvas.noise(7) + 0.5 * canvas.noise(14) + 0.5 * canvas.noise(3)
        grain = 0.7 * canvas.rng.standard_normal(canvas.shape) + 0.7 * canvas.noise(1.2)
        picture = picture * _like(1 + 0.13 * amount.texture * clouds, picture)
        return picture + 0.08 * amount.noise * _like(grain, picture) * (0.15 + 0.85 * np.clip(picture, 0, 1))


def _like(values: Field, picture: Field) -> Field:
    """(H, W) values in a shape that multiplies the picture's channels."""
    return values[..., None] if picture.ndim == 3 else values
