"""The pages of a check: tables by hand, thumbnails of what was found, and all findings in the CSV."""

from __future__ import annotations

import csv

from prsbench.datasets.check.page import write_pages


def test_the_page_shows_both_pictures_and_the_markdown_names_them(planted, tmp_path):
    planted.pictures["test", "copy"] = planted.pictures["train", "b"]
    planted.answers["a"] = "<b>right & bottom"
    html, markdown, table = write_pages(planted.check(), tmp_path / "page")
    text = html.read_text()
    assert text.count("data:image/jpeg;base64,") == 3, "two equal pictures and one whose answer is elsewhere"
    assert "&lt;b&gt;right &amp; bottom" in text and "<b>" not in text
    assert "- skin_rgbimage/train_images/b.png (train) = skin_rgbimage/test_images/copy.png (test)." in markdown.read_text()
    assert "| skin_rgbimage | train | 5 | 5 | 150 x 120 | PNG RGB | PNG L |" in markdown.read_text()
    rows = list(csv.DictReader(table.open()))
    assert [row["kind"] for row in rows] == ["same_across", "place"]
    assert rows[0]["excluded"] == "skin_rgbimage/train_masks/b.png"
