"""Draws a small data set as people have them: a folder of images and a folder of masks, two pictures of each patient.

python examples/draw_data_set.py drawn
prsbench prepare pairs --from drawn --to prepared --modality skin_rgb --target lesion --archive drawn --group '^(p\\d+)'
prsbench run examples/grids/own_data.yaml --data prepared
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

N_PATIENTS = 12
SIDE_PX = 96


def draw(folder: Path, n_patients: int = N_PATIENTS, seed: int = 0) -> None:
    """Write images/ and masks/ with two PNG files a patient: a dark round spot on skin, and white on black where it is."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for patient in range(n_patients):
        for picture in range(2):
            y, x = rng.uniform(20, SIDE_PX - 20, 2)
            mask = np.hypot(rows - y, columns - x) < rng.uniform(8, 16)
            skin = np.array([205, 165, 140]) + rng.normal(0, 8, (SIDE_PX, SIDE_PX, 3))
            image = np.where(mask[..., None], skin * 0.5, skin).clip(0, 255).astype(np.uint8)
            name = f"p{patient:02}_{picture}.png"
            Image.fromarray(image).save(folder / "images" / name)
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / "masks" / name)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
