"""A method in an environment without prsbench: reads the questions that `prsbench queries` wrote, writes masks and answers.

    prsbench queries smoke --to questions                       # where prsbench is installed
    python predict_elsewhere.py questions predictions           # where your model is installed: needs NumPy and Pillow here
    prsbench run grid.yaml                                      # with a row `saved:mine: {from: predictions, ...}`

Replace `predict` by your model.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image


def predict(image, question):
    """Your model: (H, W, 3) uint8 and a question in; (H, W) map in [0, 1] and a sentence out."""
    grey = image.mean(axis=2)
    probability = (grey > grey.mean() + 2 * grey.std()).astype(np.float32)
    return probability, "The lesion is located in the center."


def main(questions, to):
    (to / "masks").mkdir(parents=True, exist_ok=True)
    with (
        (questions / "questions.csv").open(encoding="utf-8", newline="") as table,
        (to / "answers.csv").open("w", encoding="utf-8", newline="") as out,
    ):
        answers = csv.writer(out)
        answers.writerow(["sample_id", "answer", "seconds"])
        for line in csv.DictReader(table):
            image = np.asarray(Image.open(questions / line["image"]).convert("RGB"))
            start = time.perf_counter()
            probability, answer = predict(image, line["question"])
            seconds = time.perf_counter() - start
            Image.fromarray(np.round(255 * probability).astype(np.uint8)).save(to / "masks" / Path(line["image"]).name)
            answers.writerow([line["sample_id"], answer, seconds])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
