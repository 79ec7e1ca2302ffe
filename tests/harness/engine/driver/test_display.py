"""The bars on a terminal, as text of a pretended one."""

import io

from prsbench.harness.engine.driver.display import Bar, Display
from rich.console import Console


def shown(*steps, width=80, **of_console):
    out = io.StringIO()
    display = Display(Console(file=out, width=width, force_terminal=True, **of_console))
    for step in steps:
        step(display)
    display.close()
    return out.getvalue()


def test_a_bar_shows_title_steps_rate_and_message_and_the_summary_stands_below(monkeypatch):
    clock = iter(range(1000))
    bars = [Bar("train a s0", done, 10, f"loss 0.{done}") for done in (2, 6)]

    def show(display):
        monkeypatch.setattr(display._bars, "get_time", lambda: next(clock))
        for bar in bars:
            display.show("1/7 done, 5 s so far, about 3 min 00 s left", [bar])

    text = shown(show, no_color=True)
    assert "train a s0" in text and "6/10" in text and "/s" in text and "loss 0.6" in text and "about 3 min 00 s left" in text


def test_no_line_is_wider_than_the_terminal_and_brackets_are_no_markup():
    title = "lite_medsam_oracle_box, lite_medsam_jittered_box [bold] on brain_tumors_ct_scan s0"
    text = shown(lambda d: d.show("summary", [Bar(title, 1, 2, "samples [red]")]), no_color=True)
    lines = [line for line in text.replace("\r", "\n").splitlines() if "samples" in line]
    import re

    assert lines and all(len(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) <= 80 for line in lines)
    assert "samples [red]" in text


def test_without_colour_nothing_but_cursor_movements_is_sent(monkeypatch):
    import re

    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(lambda d: d.show("summary", [Bar("a", 1, 2, "x")]))
    assert not re.findall(r"\x1b\[[0-9;]*3[0-7][0-9;]*m", text)


def test_jobs_that_ended_have_no_bar_and_lines_said_meanwhile_stay():
    def steps(display):
        display.show("one", [Bar("first", 1, 2, "x")])
        display.say("[1/2] first: done")
        display.show("two", [Bar("second", 0, 0, "starting")])
        assert list(display._tasks) == ["second"]

    assert "[1/2] first: done\n" in shown(steps)


def test_a_display_can_be_closed_and_used_again():
    def steps(display):
        display.show("one", [Bar("a", 1, 2, "x")])
        display.close()
        display.say("tables of the first run")
        display.show("two", [Bar("b", 1, 2, "x")])

    assert "tables of the first run" in shown(steps)
