"""The row on a small exported stand-in: conformance suite, prompt, instructions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import ContractError, MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import Query, Weights
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.biomedparse.config import BiomedParseConfig
from prsbench.methods.biomedparse.method import PROGRAM, BiomedParseMethod, prompt_of
from prsbench.methods.catalog import METHODS
from prsbench.methods.cost import measure
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast

SIDE = 32
WORDS = ("<unk>", "<pad>", "lesion", "tumor", "polyp", "in", "brain", "MRI", "skin", "dermoscope")


class StandIn(nn.Module):
    """Brightness, shifted by what the prompt's words weigh."""

    def __init__(self):
        super().__init__()
        self.words, self.image = nn.Embedding(len(WORDS), 1), nn.Conv2d(3, 1, 2, stride=2)

    def forward(self, image, ids, mask):
        return self.image(image / 255) * 9 + (self.words(ids)[..., 0] * mask).sum(1)[:, None, None, None]


@pytest.fixture
def export(tmp_path):
    torch.manual_seed(0)
    given = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, 77, dtype=torch.long), torch.zeros(1, 77, dtype=torch.long)
    torch.jit.trace(StandIn(), given).save(tmp_path / PROGRAM)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>")
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    return {"checkpoint": str(tmp_path), "image_size_px": SIDE}


def loaded(export):
    method = BiomedParseMethod(BiomedParseConfig(**export))
    method.load(None, "cpu")
    return method


def query(question="Where is the lesion?", modality="skin_rgb"):
    image = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    return Query("one", image, question, modality)


def test_with_its_export_it_passes_the_suite(export, tmp_path):
    entry = replace(METHODS["biomedparse"], defaults=export)
    (tmp_path / "subject").mkdir()
    subject = Subject(entry, tmp_path / "subject")
    assert subject.method.labels.weights == Weights.OFFICIAL
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_what_its_program_costs_is_counted(export):
    cost = measure(loaded(export))
    assert cost.parameters == len(WORDS) + 3 * 4 + 1
    assert cost.flops_per_image == 2 * 3 * 4 * (SIDE // 2) ** 2


def test_the_map_is_the_programs_logits_for_the_prompt_enlarged(export):
    asked, ids = query(), [WORDS.index(word) for word in ("lesion", "in", "skin", "dermoscope")]
    padded = torch.tensor([ids + [1] * (77 - len(ids))])
    mask = torch.tensor([[1] * len(ids) + [0] * (77 - len(ids))])
    image = torch.from_numpy(asked.image.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = torch.jit.load(f"{export['checkpoint']}/{PROGRAM}")(image, padded, mask)
    expected = torch.nn.functional.interpolate(logits, size=(SIDE, SIDE), mode="bilinear").sigmoid()[0, 0].numpy()
    assert np.allclose(loaded(export).predict([asked])[0].probability, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("question", "modality", "prompt"),
    [
        ("Where is the tumour?", "brain_mri", "tumor in brain MRI"),
        ("Where are the lungs?", "lung_xray", "lung in chest X-Ray"),
        ("Where is the nodule?", "lung_ct", "nodule in lung CT"),
        ("Where is it?", "skin_rgb", "lesion in skin dermoscope"),
    ],
)
def test_its_prompt_is_the_target_in_its_own_words(question, modality, prompt):
    assert prompt_of(query(question, modality)) == prompt


def test_a_modality_without_words_is_refused():
    with pytest.raises(ContractError, match="no words for modality 'retina'"):
        prompt_of(query(modality="retina"))


def test_without_an_export_it_is_skipped_with_instructions():
    with pytest.raises(MissingPrerequisite, match="Set methods.biomedparse.checkpoint to a folder"):
        BiomedParseMethod(BiomedParseConfig()).load(None, "cpu")


def test_its_exposure_is_noted_with_its_source():
    notes = " ".join(BiomedParseMethod(BiomedParseConfig()).labels.notes)
    assert "yes for LGG, BUSI, COVID-QU-Ex" in notes
    assert "unknown for CVC-ClinicDB, PH2, PRS-Med (MMRS) and all others (its repository" in notes


def test_a_pickled_checkpoint_in_the_programs_place_is_refused_and_its_code_not_run(export, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path / "touched").touch, ()

    torch.save({"weights": Evil()}, tmp_path / PROGRAM)
    with pytest.raises(PrsbenchError, match="expected a TorchScript program"):
        loaded(export)
    assert not (tmp_path / "touched").exists()


def test_a_program_of_another_shape_is_refused(export, tmp_path):
    class Flat(StandIn):
        def forward(self, image, ids, mask):
            return super().forward(image, ids, mask)[0]

    given = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, 77, dtype=torch.long), torch.zeros(1, 77, dtype=torch.long)
    torch.jit.trace(Flat(), given).save(tmp_path / PROGRAM)
    with pytest.raises(ContractError, match=r"must return \(1, 1, h, w\)"):
        loaded(export).predict([query()])


def test_an_image_is_read_once_for_all_questions_that_name_one_target_whatever_the_batches(export):
    queries = [query(question) for question in ("Where is the lesion?", "Show the lesion.", "Where is the polyp?")]
    expected = [loaded(export).predict([one])[0] for one in queries]
    method = loaded(export)
    runs, network = [], method._network
    method._network = lambda *given: runs.append(given) or network(*given)
    got = [prediction for batch in (queries[:1], queries[1:]) for prediction in method.predict(batch)]
    assert len(runs) == 2, "one for each prompt"
    assert [p.probability.tobytes() for p in got] == [p.probability.tobytes() for p in expected]
    assert [p.answer for p in got] == [p.answer for p in expected]
