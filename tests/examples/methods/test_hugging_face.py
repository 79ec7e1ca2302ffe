"""The worked example of Hugging Face models runs on folders in their layout: tiny models with random weights."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from prsbench.harness.contract.errors import ConfigError
from prsbench.harness.contract.types import Query, TextSource, check_prediction
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    ViTImageProcessor,
)

EXAMPLE = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "methods" / "hugging_face.py"))
WORDS = ["<unk>", "<pad>", "<s>", "</s>", "<image>", "where", "is", "the", "polyp", "lesion", "?"]
CHAT = (
    "{% for m in messages %}{% for c in m['content'] %}"
    "{{ '<image>' if c['type'] == 'image' else c['text'] }} {% endfor %}{% endfor %}"
)
WIDTH = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def tokenizer():
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=words, additional_special_tokens=["<image>"], **names)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    torch.manual_seed(0)
    vision = {**WIDTH, "image_size": 32, "patch_size": 8}
    text = {
        **WIDTH,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 16,
        "eos_token_id": 3,
        "pad_token_id": 1,
        "bos_token_id": 2,
    }
    config = CLIPSegConfig(text_config=text, vision_config=vision, projection_dim=16, extract_layers=[0, 1], reduce_dim=8)
    config.decoder_num_attention_heads, config.decoder_intermediate_size = 2, 16
    folder = tmp_path_factory.mktemp("clipseg")
    CLIPSegForImageSegmentation(config).save_pretrained(folder)
    CLIPSegProcessor(ViTImageProcessor(size={"height": 32, "width": 32}), tokenizer()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    torch.manual_seed(0)
    vision = CLIPVisionConfig(**WIDTH, image_size=16, patch_size=8, projection_dim=16)
    text = LlamaConfig(
        **WIDTH, vocab_size=len(WORDS), max_position_embeddings=128, bos_token_id=2, eos_token_id=3, pad_token_id=1
    )
    folder = tmp_path_factory.mktemp("llava")
    LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=4)).save_pretrained(
        folder
    )
    square = {"height": 16, "width": 16}
    images = CLIPImageProcessor(size=square, crop_size=square)
    how = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(images, tokenizer(), chat_template=CHAT, **how).save_pretrained(folder)
    return folder


def predictions(queries, **values):
    method = EXAMPLE["HuggingFace"](EXAMPLE["HuggingFaceConfig"](**values))
    method.load(Path("unused"), "cpu")
    return method.labels, method.predict(queries)


QUERIES = [
    Query(
        str(side),
        np.random.default_rng(side).integers(0, 256, (side, 50, 3), np.uint8),
        "where is the polyp ?",
        "polyp_endoscopy",
    )
    for side in (40, 70)
]


def test_a_segmenter_alone_describes_its_own_mask(segmenter):
    labels, found = predictions(QUERIES, segmenter=str(segmenter))
    for query, prediction in zip(QUERIES, found, strict=True):
        check_prediction(query, prediction)
        assert "lesion" in prediction.answer
    assert labels.text_source is TextSource.OWN_MASK


def test_a_writer_answers_in_its_own_words_the_same_alone_and_together(segmenter, writer):
    labels, together = predictions(QUERIES, segmenter=str(segmenter), writer=str(writer), dtype="float32", max_new_tokens=5)
    alone = [
        predictions([query], segmenter=str(segmenter), writer=str(writer), dtype="float32", max_new_tokens=5)[1][0]
        for query in QUERIES
    ]
    assert labels.text_source is TextSource.GENERATED
    assert [one.answer for one in together] == [one.answer for one in alone]
    assert "where" not in together[0].answer.split()[:1]  # the prompt is no part of the answer


def test_without_a_segmenter_the_row_says_what_to_name():
    with pytest.raises(ConfigError, match="as `segmenter`"):
        predictions(QUERIES)
