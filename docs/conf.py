"""Sphinx: pages in Markdown (MyST), API pages from docstrings; the pages of metrics and commands are written at build time."""

import argparse
from pathlib import Path

from prsbench.harness.cli.main import parser
from prsbench.metrics.catalog import METRICS

project, author, html_title = "prsbench", "The prsbench authors", "prsbench"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
exclude_patterns = ["_build"]
autodoc_default_options = {"members": True, "member-order": "bysource"}
default_role = "literal"  # `name` in docstrings
napoleon_google_docstring, napoleon_numpy_docstring = True, False
nitpicky = False  # array types have no page here

WRITTEN = Path(__file__).parent / "_written"


def write_metrics() -> str:
    """A definition list: one entry for each metric of the catalog."""
    lines = ["# Every metric", "", "By the column's title in tables, then the name in records and exports."]
    for metric in METRICS.values():
        better = {True: "higher is better", False: "lower is better", None: "neither is better"}[metric.higher_is_better]
        low, high = metric.range
        facts = [f"{low:g} to {high:g}, {better}", metric.protocol, metric.empty_policy.rstrip("."), f"Source: {metric.source}"]
        lines += ["", f"{metric.title} (`{metric.name}`)", f": {'. '.join(fact[:1].upper() + fact[1:] for fact in facts)}."]
    return "\n".join(lines) + "\n"


def write_commands() -> str:
    """What every command's `--help` prints."""
    lines = ["# Every command"]

    def add(parser: argparse.ArgumentParser, depth: int) -> None:
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        parser.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100)
        if not groups:
            lines.extend(["", "#" * depth + f" `{parser.prog}`", "", "```text", parser.format_help().rstrip(), "```"])
        for group in groups:
            for child in dict.fromkeys(group.choices.values()):
                add(child, 2)

    add(parser(), 1)
    return "\n".join(lines) + "\n"


WRITTEN.mkdir(exist_ok=True)
for name, write in {"metrics.md": write_metrics, "commands.md": write_commands}.items():
    (WRITTEN / name).write_text(write(), encoding="utf-8")
