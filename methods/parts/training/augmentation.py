"""Geometric augmentation: a training image mirrored, moved and scaled within its frame, with its answers adapted.

A lesion's position decides its answer, so a moved image needs another one: the official label is computed again from the moved
mask and replaces the old one in the sentence. Shared by every training that shows an image more than once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from prsbench.harness.contract.families import FAMILIES
from prsbench.harness.contract.types import Sample
from prsbench.methods.parts.training.config import ImageAugmentationConfig
from prsbench.methods.parts.training.images import PackedMask, Pixels, TrainingImage, each_image
from prsbench.methods.parts.training.word_augmentation import AnswerTemplate, drop_words, mirror_words, template_of
from torch import Tensor
from torch.nn import functional as F


def change_intensity(image_B3SS: Tensor, change_3B: np.ndarray) -> Tensor:
    """Float images in [0, 1], each with its gamma, contrast and brightness changed by `change_3B`."""
    gamma, contrast, brightness = torch.from_numpy(change_3B[..., None, None, None]).to(image_B3SS)
    mean = image_B3SS.mean((1, 2, 3), keepdim=True)
    return ((image_B3SS.clamp(min=1e-6) ** (1 + gamma) - mean) * (1 + contrast) + mean + brightness / 2).clamp(0, 1)


def jitter_intensity(image_B3SS: Tensor, limit: float, rng: np.random.Generator) -> Tensor:
    """`change_intensity` with random changes of up to `limit` in each."""
    return change_intensity(image_B3SS, rng.uniform(-limit, limit, (3, len(image_B3SS))))


MASK_WIDTH_PX = 128  # of the masks that labels are taken from; finer changes few labels


@dataclass(frozen=True, slots=True)
class View:
    """Scaled about the frame's centre, moved by x and y (frame units: the frame is 2 wide), then mirrored."""

    left_right: bool = False
    top_bottom: bool = False
    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @property
    def moves(self) -> bool:
        return (self.scale, self.x, self.y) != (1.0, 0.0, 0.0)


IDENTITY = View()


@dataclass(frozen=True, slots=True)
class AugmentationRange:
    """Range of random views: probabilities of mirroring, moves of up to `shift` frame units, scales of 1 - zoom to 1 + zoom."""

    left_right: float = 0.0
    top_bottom: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0

    @classmethod
    def of(cls, config: ImageAugmentationConfig) -> AugmentationRange:
        return cls(left_right=config.horizontal_flip, shift=config.shift, zoom=config.zoom)

    def sample(self, rng: np.random.Generator) -> View:
        mirrored = rng.random(2) < (self.left_right, self.top_bottom)
        x, y = rng.uniform(-self.shift, self.shift, 2)
        return View(bool(mirrored[0]), bool(mirrored[1]), 1 + rng.uniform(-self.zoom, self.zoom), x, y)


def view_of_mask(mask_HW: NDArray[np.bool_], view: View, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask in that view, at size `shape`, by nearest pixel; outside the image it is background."""
    rows = _sources(shape[0], mask_HW.shape[0], view.scale, view.y, view.top_bottom)
    cols = _sources(shape[1], mask_HW.shape[1], view.scale, view.x, view.left_right)
    view_HW = np.zeros(shape, bool)
    view_HW[_inside(rows), _inside(cols)] = mask_HW[rows[_inside(rows)]][:, cols[_inside(cols)]]
    return view_HW


def _sources(count: int, source_count: int, scale: float, shift: float, mirrored: bool) -> NDArray[np.int64]:
    """For each of `count` pixels along a side, the index of the source pixel shown there; -1 outside."""
    position = (np.arange(count) + 0.5) * 2 / count - 1
    source = ((-position if mirrored else position) - shift) / scale
    index = np.floor((source + 1) / 2 * source_count).astype(np.int64)
    return np.where(index < source_count, np.maximum(index, -1), -1)


def _inside(sources: NDArray[np.int64]) -> slice:
    """The range of pixels that show a source pixel; they are contiguous."""
    inside = np.flatnonzero(sources >= 0)
    return slice(inside[0], inside[-1] + 1) if inside.size else slice(0, 0)


def view_of_images(image_B3SS: Tensor, views: Sequence[View]) -> Tensor:
    """Float images in those views, bilinear; outside the image they are black."""
    if not any(view.moves for view in views):  # exact, and cheaper
        return torch.stack([_mirrored(image, view) for image, view in zip(image_B3SS, views, strict=True)])
    theta_B23 = image_B3SS.new_tensor(
        [
            [
                [(-1) ** view.left_right / view.scale, 0, -view.x / view.scale],
                [0, (-1) ** view.top_bottom / view.scale, -view.y / view.scale],
            ]
            for view in views
        ]
    )
    grid = F.affine_grid(theta_B23, list(image_B3SS.shape), align_corners=False)
    return F.grid_sample(image_B3SS, grid, align_corners=False)


def _mirrored(image_3SS: Tensor, view: View) -> Tensor:
    return image_3SS.flip([d for d, is_mirrored in ((-1, view.left_right), (-2, view.top_bottom)) if is_mirrored])


@dataclass(frozen=True, slots=True)
class Scene:
    """One image's mask in its own proportions, compressed, and the questions and answers about it.

    templates: each answer split at its position words; None where the official words do not occur in it. names_zones: whether
    each answer is to a question of a family that names zones; empty: all are.
    """

    image_id: str
    modality: str
    mask: PackedMask
    pairs: tuple[tuple[str, str], ...]
    templates: tuple[AnswerTemplate | None, ...]
    names_zones: tuple[bool, ...] = ()

    @property
    def mask_HW(self) -> NDArray[np.bool_]:
        return self.mask.unpack()

    @property
    def movable(self) -> bool:
        """Whether every answer can follow a move; answers about an empty mask need not."""
        return all(self.templates) or not self.mask_HW.any()

    def sample_view(self, augmentation: AugmentationRange, rng: np.random.Generator) -> tuple[View, NDArray[np.bool_]]:
        """A random view and its mask; without its move if an answer could not follow or the mask would become empty."""
        view = augmentation.sample(rng)
        mask_HW = self.mask_in(view)
        if view.moves and (not self.movable or mask_HW.any() != self.mask_HW.any()):
            view = View(view.left_right, view.top_bottom)
            mask_HW = self.mask_in(view)
        return view, mask_HW

    def mask_in(self, view: View) -> NDArray[np.bool_]:
        return view_of_mask(self.mask_HW, view, self.mask_HW.shape)

    def pairs_in(self, view: View, mask_HW: NDArray[np.bool_], indices: Iterable[int]) -> list[tuple[str, str]]:
        """The chosen questions and answers in that view, whose mask is `mask_HW`."""
        if view == IDENTITY:
            return [self.pairs[index] for index in indices]
        has_lesion = bool(mask_HW.any())
        pairs = []
        for index in indices:
            (question, answer), template = self.pairs[index], self.templates[index]
            if has_lesion and template is not None:
                answer = template.with_place(mask_HW, self.modality, lambda words: _mirror_text(words, view))
            else:
                answer = _mirror_text(answer, view)
            pairs.append((_mirror_text(question, view), answer))
        return pairs

    def sample_pairs(
        self, view: View, mask_HW: NDArray[np.bool_], count: int, word_dropout: float, rng: np.random.Generator
    ) -> list[tuple[str, str, bool]]:
        """Up to `count` questions at random: each with word dropout, its answer in that view, and whether this names zones."""
        chosen = rng.permutation(len(self.pairs))[:count].tolist()
        pairs = zip(chosen, self.pairs_in(view, mask_HW, chosen), strict=True)
        names_zones = self.names_zones or (True,) * len(self.pairs)
        return [(drop_words(question, word_dropout, rng), answer, names_zones[n]) for n, (question, answer) in pairs]


def _mirror_text(words: str, view: View) -> str:
    words = mirror_words(words, "left-right") if view.left_right else words
    return mirror_words(words, "top-bottom") if view.top_bottom else words


def scenes(samples: Sequence[Sample]) -> list[Scene]:
    """One scene per image, in the order of the samples."""
    found = each_image(samples, lambda _, sample: (sample.query.modality, _mask_of(sample)), _asked)
    return [_scene(key, *look, asked) for key, (look, asked) in found.items()]


def _mask_of(sample: Sample) -> PackedMask:
    height, width = sample.truth.mask.shape
    shape = max(1, round(MASK_WIDTH_PX * height / width)), MASK_WIDTH_PX
    mask = view_of_mask(sample.truth.mask, IDENTITY, shape)
    return PackedMask.of(mask if mask.any() == sample.truth.mask.any() else sample.truth.mask)


def _asked(sample: Sample) -> Asked:
    return sample.query.question, sample.truth.answer, template_of(sample.truth), FAMILIES[sample.truth.family].names_zones


def _scene(image_id: str, modality: str, mask: PackedMask, asked: Sequence[Asked]) -> Scene:
    questions, answers, templates, names_zones = zip(*asked, strict=True)
    return Scene(image_id, modality, mask, tuple(zip(questions, answers, strict=True)), templates, names_zones)


Asked = tuple[str, str, AnswerTemplate | None, bool]
# An image at a network's size; its mask, questions and answers for any view.
ImageAndScene = tuple[TrainingImage, Scene]


def prepare(samples: Sequence[Sample], side_px: int) -> list[ImageAndScene]:
    """Each distinct image once, with all its questions; see `training_images`.

    Raises:
        DataError: there are no samples.
    """
    pixels = Pixels(samples, side_px)
    found = each_image(samples, lambda number, sample: (pixels.look(number, sample), _mask_of(sample)), _asked)
    both = [(image, _scene(key, image.modality, mask, asked)) for key, ((image, mask), asked) in found.items()]
    return [(replace(image, pairs=scene.pairs), scene) for image, scene in both]
