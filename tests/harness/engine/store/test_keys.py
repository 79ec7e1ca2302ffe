"""The same content has the same key; one byte more has another."""

from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.engine.store import keys

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(st.text(), VALUES, max_size=4))
def test_the_order_in_which_a_description_was_written_does_not_count(content):
    assert keys.key_of(content) == keys.key_of(dict(reversed(content.items())))


@given(a=st.dictionaries(st.text(), st.text(), max_size=3), b=st.dictionaries(st.text(), st.text(), max_size=3))
def test_keys_are_equal_only_if_contents_are(a, b):
    assert (keys.key_of(a) == keys.key_of(b)) == (a == b)
