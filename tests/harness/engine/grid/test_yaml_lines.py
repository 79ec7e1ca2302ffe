"""What YAML allows and a grid does not is one sentence with its line, at once, whatever the text."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.engine.grid.yaml_lines import MOST_CHARACTERS, line_of, read_mapping, read_value

NINE = ["*a"] * 9


def levels(join, first):
    """A mapping in which every key holds the one before it nine times: 9 ** 20 values."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} {join(','.join(item + str(i - 1) for item in NINE), i)}" for i in range(1, 20)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (levels(lambda items, i: f"[{items}]", "[1]"), r"line \d: aliases \(\*\) unfold to more than 100,000 values"),
        (levels(lambda items, i: f"{{<<: [{items}], k{i}: 1}}", "{k: 1}"), r"line \d: aliases \(\*\) unfold to more than"),
        ("a: &a [*a]", "line 1: a value refers to itself by an alias"),
        ("a:\n  b: &b {c: [*b]}", "line 2: a value refers to itself|line 1: a value refers to itself"),
        ("a: &a {<<: *a}", "line 1: a value refers to itself"),
        ("a: " + "[" * 50_000, "line 1: .*values lie more than 40 levels deep"),
        ("a: " + "[" * 300 + "]" * 300, "line 1: .*values lie more than 40 levels deep"),
        ("- " * 50_000, "line 1: .*values lie more than 40 levels deep"),
        ("\n".join(" " * i + "a:" for i in range(300)), "line 4[0-9]: .*values lie more than 40 levels deep"),
        ("a: &x " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*x" + "]" * 30, "line 2: values lie more than 40 levels deep"),
        ("a: 1\n" * MOST_CHARACTERS, "at most 200,000 characters"),
        ("", "got nothing: it is empty"),
        ("# only a comment", "got nothing: it is empty"),
        ("- a", "got a list"),
        ("a", "got one text"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice, first in line 1"),
        ("a: {b: 1,\n b: 1}", "line 2: 'a.b' is given twice, first in line 1"),
        ("a:\n\t- b", r"line 2: this is not plain YAML .*\\t"),
        ("a: 1\n---\nb: 2", "line 2: this is not plain YAML .*another document"),
        ("a: *b", "line 1: this is not plain YAML .*undefined alias"),
        ("a: !!python/object/apply:os.system [ls]", "line 1: this is not plain YAML .*could not determine a constructor"),
        ("? [a, b]\n: 1", "line 1: this is not plain YAML .*unhashable"),
        ("a: [", "line 1: this is not plain YAML"),
        ("a: 1\nb: 010", "line 2: YAML reads 010 as an octal number"),
        ("a: 1:30", "line 1: YAML reads 1:30 as a number in base 60"),
        ("a: 2024-13-45", "line 1: 2024-13-45 looks like a number or a date"),
        ("a: !!int x", "line 1: x looks like a number"),
        ("a: " + "9" * 5000, "line 1: '9+...' has 5,000 characters"),
        ("a: " + "b" * 5000, "line 1: 'b+...' has 5,000 characters"),
        ("a: b\nc: \0", r"line 2: this is not YAML, which has no character '\\x00'"),
        ("a: \x1b[31m", r"line 1: this is not YAML, which has no character '\\x1b'"),
        ('a: "\\0"', r"line 1: a text holds the character '\\x00'"),
        ('a: "\\ud800"', r"line 1: a text holds the character '\\ud800'"),
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_a_hostile_or_mistaken_text_is_one_sentence_with_its_line(text, said):
    began = time.process_time()
    with pytest.raises(ConfigError, match=f"^grid.yaml.*{said}|^grid.yaml {said}") as error:
        read_mapping(text, "grid.yaml")
    assert len(str(error.value)) < 1000 and "\n" not in str(error.value)
    assert time.process_time() - began < 20  # each took hours, or all memory


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e3", "1e3"),
        ("0x10", 16),
        ("0", 0),
        ("-0", 0),
        ("1_000", 1000),
        ("'010'", "010"),
        ("no", False),
        (".inf", float("inf")),
        ("", None),
        ("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}]),
    ],
)
def test_what_yaml_means_without_surprise_is_read(text, value):
    assert read_value(text, "--set a") == value


def test_an_alias_is_read_as_a_copy_of_its_own():
    first, second = read_value("[&x {a: 1}, *x]", "--set a")
    assert first == second and first is not second


def test_merged_keys_are_read_and_found_by_their_line():
    text = "a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n"
    assert read_mapping(text, "grid.yaml") == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}
    assert line_of(text, ("b", "y")) == 4


@given(st.text(st.sampled_from(list("ab:*&[]{}-,!<\"'|>?#%@` \n\t0159.xe~\0\ud800é")), max_size=60))
@example("a: &a\n- *a")
@example("!!binary ''")
def test_any_text_is_read_or_refused_in_one_sentence(text):
    said = "grid.yaml"
    try:
        read_mapping(text, "grid.yaml")
    except ConfigError as error:
        said = str(error)
    assert said.startswith("grid.yaml") and "\n" not in said
