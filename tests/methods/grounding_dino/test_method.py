"""The row on a small random Grounding-DINO and a small SAM-Med2D: conformance suite, box, empty mask, instructions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import MissingPrerequisite, PrsbenchError
from prsbench.harness.contract.types import Box, PromptSource, Query, TextSource
from prsbench.methods.authoring.conformance import CHECKS, Subject, Verdict, run_check
from prsbench.methods.catalog import METHODS
from prsbench.methods.grounding_dino.config import GroundingDinoConfig
from prsbench.methods.grounding_dino.method import GroundedSamMethod
from prsbench.methods.parts.sam.networks import ViT, build_vit_sam
from prsbench.methods.parts.sam.processing import StretchedNearest
from prsbench.methods.parts.sam.variants import VARIANTS
from prsbench.methods.sam.config import SamCheckpointConfig
from prsbench.methods.sam.method import SamMethod
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    GroundingDinoForObjectDetection,
    PreTrainedTokenizerFast,
    SwinConfig,
)
from transformers import GroundingDinoConfig as DetectorConfig
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "lesion", "polyp"]


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dino")
    swin = SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, image_size=64, out_indices=[2, 3, 4]
    )
    bert = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    small = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_queries": 5, "max_text_len": 16}
    config = DetectorConfig(backbone_config=swin, text_config=bert, **small, **heads)
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=words, **marks).save_pretrained(folder)
    GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 288}).save_pretrained(folder)
    return folder


@pytest.fixture
def given(detector, tmp_path, monkeypatch):
    """The row's folders; SAM-Med2D is made small alike."""

    def build():
        return build_vit_sam(ViT(width=32, depth=1, heads=2, global_blocks=(0,)), side_px=64, adapters=True)

    monkeypatch.setitem(VARIANTS, "sam_med2d", replace(VARIANTS["sam_med2d"], build=build, processing=StretchedNearest(64)))
    torch.manual_seed(1)
    torch.save({"model": build().state_dict()}, tmp_path / "sam-med2d_b.pth")
    folders = {"checkpoint": str(tmp_path / "sam-med2d_b.pth"), "detector": str(detector)}
    return {**folders, "box_threshold": 0.0, "text_threshold": 0.0}


def loaded(given):
    method = GroundedSamMethod(GroundingDinoConfig(**given))
    method.load(None, "cpu")
    return method


def query(question="Where is the polyp?"):
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    return Query("one", image, question, "skin_rgb")


def detecting(monkeypatch, method, boxes, scores, phrases):
    """The detector finds these, whatever it sees; returns the captions it was asked with."""
    asked = []

    class Processor:
        def __call__(self, images, text, **_):
            asked.append(text)
            return type("Inputs", (dict,), {"to": lambda self, device: self, "input_ids": None})()

        def post_process_grounded_object_detection(self, outputs, ids, **options):
            assert options["target_sizes"] == [(40, 60)]
            return [{"boxes": torch.tensor(boxes), "scores": torch.tensor(scores), "text_labels": phrases}]

    monkeypatch.setattr(method, "_processor", Processor())
    monkeypatch.setattr(method, "_detector", lambda **_: None)
    return asked


def test_with_its_folders_it_passes_the_suite(given, tmp_path):
    entry = METHODS["grounding_dino_sam_med2d"]
    (tmp_path / "subject").mkdir()
    subject = Subject(replace(entry, defaults=given), tmp_path / "subject")
    assert any(p.probability.any() for p in subject.predictions)
    assert [f for f in (run_check(check, subject) for check in CHECKS) if f.verdict is Verdict.FAILED] == []


def test_the_best_box_that_has_a_phrase_is_segmented_as_sam_med2d_segments_it(given, monkeypatch):
    method = loaded(given)
    boxes = [[0.0, 0.0, 60.0, 40.0], [10.4, 4.6, 29.2, 21.0], [1.0, 1.0, 5.0, 5.0]]
    asked = detecting(monkeypatch, method, boxes, [0.9, 0.6, 0.5], ["", "polyp", "polyp"])
    sam = SamMethod(
        SamCheckpointConfig(variant="sam_med2d", prompt_source=PromptSource.ORACLE_BOX, checkpoint=given["checkpoint"])
    )
    sam.load(None, "cpu")
    expected = sam.predict([replace(query(), box=Box(10, 4, 30, 21))])[0]
    got = method.predict([query()])[0]
    again = method.predict([query("Show the polyp.")])[0]
    assert asked == ["polyp."], "an image is read once for all questions that name one target"
    assert np.array_equal(got.probability, again.probability)
    assert np.array_equal(got.probability, expected.probability) and got.answer == expected.answer


@pytest.mark.parametrize(
    ("corners", "box"), [([-3.0, -2.0, 70.5, 41.0], Box(0, 0, 60, 40)), ([59.9, 39.9, 60.4, 40.2], Box(59, 39, 60, 40))]
)
def test_a_box_that_leaves_the_image_is_cut_and_never_empty(given, monkeypatch, corners, box):
    method = loaded(given)
    detecting(monkeypatch, method, [corners], [0.5], ["polyp"])
    assert method._detect(query().image, "polyp.") == box


def test_without_a_box_above_the_threshold_the_mask_is_empty_and_the_sentence_names_no_lesion(given):
    got = loaded({**given, "box_threshold": 1.0}).predict([query()])[0]
    assert got.probability.shape == (40, 60) and not got.probability.any()
    assert got.answer == "No lesion is visible."


def test_its_labels_and_notes_are_disclosed(given):
    labels = GroundedSamMethod(GroundingDinoConfig(**given)).labels
    assert (labels.prompt_source, labels.text_source) == (PromptSource.QUESTION, TextSource.OWN_MASK)
    assert any("no box gives an empty mask" in note for note in labels.notes)
    assert any("yes for Kvasir-SEG" in note for note in labels.notes)


def test_without_the_detector_or_the_checkpoint_it_is_skipped_with_instructions_that_name_the_key(given):
    for key in ("checkpoint", "detector"):
        with pytest.raises(MissingPrerequisite, match=f"methods.grounding_dino_sam_med2d.{key} to"):
            loaded({**given, key: None})


def test_a_detector_that_lacks_tensors_is_refused_and_not_filled_at_random(given, tmp_path):
    from safetensors.torch import load_file, save_file

    other = tmp_path / "other"
    other.mkdir()
    for file in Path(given["detector"]).iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    state = load_file(other / "model.safetensors")
    state.pop(next(name for name in state if "encoder" in name))
    save_file(state, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(PrsbenchError, match="missing_keys"):
        loaded({**given, "detector": str(other)})
