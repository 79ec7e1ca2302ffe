"""What the README and the documentation show is true: commands exist, grids are valid, files are there, the site builds."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prsbench.harness.cli.main import parser
from prsbench.harness.engine.grid.loading import load_grid
from prsbench.methods.catalog import METHODS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    (?:\$ )?prsbench .*$", re.MULTILINE)  # a README's code block


def commands():
    """Every line of a page that calls prsbench, without its comment."""
    for page in PAGES:
        text = page.read_text()
        lines = [match[0] for match in INDENTED.finditer(text)]
        lines += [
            line
            for block in BLOCK.finditer(text)
            if block["language"] in ("console", "bash")
            for line in block["text"].splitlines()
        ]
        for line in lines:
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            if words and Path(words[0]).name == "prsbench":
                yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words)[:60]}")


def grids():
    for page in PAGES:
        for number, block in enumerate(BLOCK.finditer(page.read_text())):
            if block["language"] == "yaml" and "data" in (yaml.safe_load(block["text"]) or {}):
                yield pytest.param(block["text"], id=f"{page.name} {number}")


@pytest.mark.parametrize("words", commands())
def test_a_command_that_a_page_shows_exists_with_these_options(words):
    parser().parse_args(words)  # ends in SystemExit if there is no such command or option


@pytest.mark.parametrize("text", grids())
def test_a_grid_that_a_page_shows_is_valid_and_names_known_methods(text, tmp_path):
    (tmp_path / "grid.yaml").write_text(text)
    grid = load_grid(str(tmp_path / "grid.yaml"))
    for choice in grid.methods:
        assert METHODS[choice.name]


def test_the_pages_show_commands_and_grids():
    assert len(list(commands())) > 40 and len(list(grids())) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_that_a_page_links_is_there(page):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists() or target.startswith("_written/"), target


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("furo", reason="the extra `docs` is not installed")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ROOT / "docs", tmp_path / "site"]
    done = subprocess.run(build, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "site" / "api.html").read_text()
    assert "prsbench.harness.contract.types.Prediction" in api and "PRScore" in (tmp_path / "site" / "metrics.html").read_text()
