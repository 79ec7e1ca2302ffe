"""Small folders in the layout of LISA's and PixelLM's official ones."""

import torch
from prsbench.methods.parts.seg_token.config import WIDTHS
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, LlamaConfig, PreTrainedTokenizerFast

PLAIN = ("<unk>", "<s>", "</s>", "<im_start>", "<im_end>", "USER", "ASSISTANT", "Where", "is", "the", "lesion")
WIDTH, PATCH_WIDTH = 16, 8


def make_official_folders(folder, monkeypatch, tokens, build, clip_layers=3):
    """Write a checkpoint folder, whose network `build(shape)` makes, and CLIP's; return the config values that name them."""
    monkeypatch.setitem(WIDTHS, "7b", WIDTH)
    torch.manual_seed(0)
    words = (*PLAIN, *tokens)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    shape = LlamaConfig(vocab_size=len(words), **sizes)
    shape.save_pretrained(folder / "official")
    state = build(shape).state_dict()
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    for part in range(2):  # the official weights come in several files
        torch.save(dict(list(state.items())[part::2]), folder / "official" / f"pytorch_model-{part}.bin")
    known = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=known, unk_token="<unk>", eos_token="</s>").save_pretrained(folder / "official")
    CLIPVisionModel(small_clip(clip_layers)).save_pretrained(folder / "clip")
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder / "clip")
    folders = {"checkpoint": str(folder / "official"), "vision_tower": str(folder / "clip")}
    return {"size": "7b", **folders, "precision": "fp32"}


def small_clip(layers):
    sizes = {"hidden_size": PATCH_WIDTH, "intermediate_size": 12, "num_hidden_layers": layers, "num_attention_heads": 2}
    return CLIPVisionConfig(**sizes, image_size=28, patch_size=14)


def speaking(network_type, ids):
    """A kind of network that generates these tokens first, whatever the prompt."""

    class Biased(network_type):
        def __init__(self, *args):
            super().__init__(*args)
            self.generation_config.sequence_bias = [[ids[: k + 1], 1e3 * (k + 1)] for k in range(len(ids))]

    return Biased
