"""Addresses of samples."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.report.viewer.links import link, sample_key


def test_a_link_names_its_page_and_what_to_show():
    address = link("cg_reasoner", modality="lung_ct", sort="dice@0.5", order="worst")
    assert address == "viewer/index.html#row=cg_reasoner&modality=lung_ct&sort=dice%400.5&order=worst"


def test_what_is_not_given_is_not_in_the_link():
    assert link("oracle", modality="", sort="") == "viewer/index.html#row=oracle"
    assert link("oracle", page="index.html") == "index.html#row=oracle"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
)
def test_every_id_can_be_read_back_from_its_link(dataset, sample_id):
    address = link("row", sample=sample_key(dataset, sample_id))
    assert parse_qs(urlsplit(address).fragment, keep_blank_values=True)["sample"] == [f"{dataset}/{sample_id}"]


@pytest.mark.parametrize("name", ["a b", "a&b=c", "a#b", "100%", "é", '"<script>'])
def test_a_link_has_only_characters_that_need_no_escape_in_html(name):
    assert not set(link(name, sample=name).partition("#")[2]) & set("\"<>' #")
