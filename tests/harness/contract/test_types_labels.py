"""Labels are stored as JSON and read back; what older versions stored stays as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prsbench.harness.contract.errors import ContractError
from prsbench.harness.contract.types import Labels, PromptSource, SeenData, TextSource, Weights, check_labels

SEEN = st.builds(SeenData, st.text(), st.text(), st.text())
LABELS = st.builds(
    Labels,
    st.sampled_from(PromptSource),
    st.sampled_from(Weights),
    st.sampled_from(TextSource),
    st.lists(st.text()).map(tuple),
    st.lists(SEEN).map(tuple),
)


@given(LABELS)
def test_labels_are_read_back_as_they_were_written(labels):
    assert Labels.from_json(json.loads(json.dumps(labels.to_json()))) == labels


def test_labels_of_weights_that_saw_nothing_known_are_stored_as_by_older_versions():
    stored = {"prompt_source": "question", "weights": "none", "text_source": "constant", "notes": ["a note"]}
    labels = Labels(PromptSource.QUESTION, Weights.NONE, TextSource.CONSTANT, ("a note",))
    assert labels.to_json() == stored and Labels.from_json(stored) == labels


@pytest.mark.parametrize("seen", ["PH2", ("PH2",), [SeenData("PH2", "all", "a list")], (SeenData("PH2", None, "a list"),)])
def test_what_weights_saw_must_be_stated_in_its_own_form(seen):
    with pytest.raises(ContractError, match=r"labels\.seen must"):
        check_labels(Labels(PromptSource.QUESTION, Weights.NONE, TextSource.CONSTANT, (), seen))
