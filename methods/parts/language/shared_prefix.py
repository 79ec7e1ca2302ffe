"""Llama forward pass that encodes an image prefix once for all its questions and skips padding.

An image's tokens stand before the text and attention is causal, so they are the same in every row about the image and are
computed once. In the last layer only the text is computed. For answering, LoRA is merged into copies of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from prsbench.harness.contract.errors import PrsbenchError
from prsbench.methods.parts.training.recompute import recomputed
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
FORMS = ("LlamaModel", "MistralModel")  # transformers' decoders of this form; others add scales or norms
Pairs = list[tuple[Tensor, Tensor]]  # keys and values (B, heads, S, E) of each layer


@dataclass(frozen=True, slots=True)
class TokenIndices:
    """Where each row finds its tokens among the M tokens of a batch: image by image, then the text row by row, without padding.

    text_RT: each row's text. key_RS: each row's image, then its text. Padding points to token 0; it follows all
    real tokens of its row, so none attends to it. text_K: the text among R x T, without padding. position_M: rotary positions.
    """

    text_RT: Tensor
    key_RS: Tensor
    text_K: Tensor
    position_M: Tensor

    @classmethod
    def of(cls, count: int, before: int, is_text_RT: Tensor, row_image_R: Tensor) -> TokenIndices:
        """For `count` images of `before` tokens each."""
        device = is_text_RT.device
        images_BN = torch.arange(count * before, device=device).view(count, before)
        text_K = is_text_RT.flatten().nonzero()[:, 0]
        text_RT = torch.zeros_like(is_text_RT, dtype=torch.long)
        text_RT[is_text_RT] = count * before + torch.arange(len(text_K), device=device)
        place_T = torch.arange(before, before + text_RT.shape[1], device=device)
        position_M = torch.cat([torch.arange(before, device=device).repeat(count), place_T.expand_as(text_RT)[is_text_RT]])
        return cls(text_RT, torch.cat([images_BN[row_image_R], text_RT], dim=1), text_K, position_M)


@dataclass(slots=True)
class KVCache:
    """For answering: keys and values of every layer, with room at the end for those of the answer.

    is_key_RS: which keys are valid. length_R: tokens of each row so far. used: columns in use.
    """

    layers: Pairs
    is_key_RS: Tensor
    length_R: Tensor
    used: int


class SharedPrefixDecoder:
    """Runs `decoder`, one of `FORMS`, with or without peft's LoRA; merged: LoRA is added to copies of the weights.

    Raises:
        PrsbenchError: the decoder is of another class, or the input is longer than its attention window.
    """

    def __init__(self, decoder: Any, merged: bool = False):  # Any: nn.Module types its attributes as Tensor or Module
        refuse_other_forms(decoder)
        self._decoder = decoder
        self._window = getattr(decoder.config, "sliding_window", None) or math.inf
        self._is_on_gpu = next(decoder.parameters()).is_cuda
        self._projections = [
            [_projection(getattr(layer.self_attn, name), merged) for name in PROJECTIONS] for layer in decoder.layers
        ]

    def read(
        self, image_BND: Tensor, text_RTD: Tensor, is_text_RT: Tensor, row_image_R: Tensor, cache: Pairs | None = None
    ) -> Tensor:
        """Last hidden states (R, T, D) of text padded on the right; 0 at padding. cache: gets every layer's keys and values."""
        count, before = image_BND.shape[:2]
        index = TokenIndices.of(count, before, is_text_RT, row_image_R)
        self._check_window(index.key_RS.shape[1])
        x_MD = torch.cat([image_BND.flatten(0, 1), _rows(text_RTD.flatten(0, 1), index.text_K)])
        rotation = self._rotation(x_MD, index.position_M)
        visible_TS = torch.ones(is_text_RT.shape[1], index.key_RS.shape[1], dtype=torch.bool, device=x_MD.device).tril(before)

        def attend(layer: int, query_MHE: Tensor, key_MHE: Tensor, value_MHE: Tensor) -> Tensor:
            keys, values = (_rows(t, index.key_RS).transpose(1, 2) for t in (key_MHE, value_MHE))
            if cache is not None:
                cache.append((keys, values))
            is_last = len(query_MHE) < len(key_MHE)
            text_RT = (index.text_RT - count * before).clamp(min=0) if is_last else index.text_RT
            queries = _rows(query_MHE, text_RT).transpose(1, 2)
            text_KD = _rows(self._attended(layer, queries, keys, values, visible_TS).flatten(0, 1), index.text_K)
            if is_last:
                return text_KD
            queries, keys, values = (
                t[: count * before].unflatten(0, (count, before)).transpose(1, 2) for t in (query_MHE, key_MHE, value_MHE)
            )
            return torch.cat([self._attended(layer, queries, keys, values, None).flatten(0, 1), text_KD])

        last = len(self._decoder.layers) - 1
        for n in range(last + 1):
            x_MD = self._checkpointed(n, x_MD, count * before if n == last else 0, rotation, attend)
        states_RTD = text_RTD.new_zeros(len(text_RTD) * text_RTD.shape[1], text_RTD.shape[2], dtype=x_MD.dtype)
        return states_RTD.index_copy(0, index.text_K, self._decoder.norm(x_MD)).view(text_RTD.shape)

    def prefill(
        self, image_BND: Tensor, text_RTD: Tensor, is_text_RT: Tensor, row_image_R: Tensor, room: int
    ) -> tuple[Tensor, KVCache]:
        """As `read`, plus the KV cache for up to `room` more tokens per row."""
        pairs: Pairs = []
        states_RTD = self.read(image_BND, text_RTD, is_text_RT, row_image_R, pairs)
        layers = [(F.pad(keys, (0, 0, 0, room)), F.pad(values, (0, 0, 0, room))) for keys, values in pairs]
        rows, count = len(text_RTD), image_BND.shape[1]
        is_key_RS = torch.cat([is_text_RT.new_ones(rows, count), is_text_RT, is_text_RT.new_zeros(rows, room)], dim=1)
        return states_RTD, KVCache(layers, is_key_RS, count + is_text_RT.sum(1), count + is_text_RT.shape[1])

    def decode(self, token_BD: Tensor, cache: KVCache) -> Tensor:
        """The last hidden states (B, D) of one more token per row."""
        column, cache.used = cache.used, cache.used + 1
        self._check_window(cache.used)
        cache.is_key_RS[:, column] = True
        rotation = self._rotation(token_BD, cache.length_R)
        cache.length_R = cache.length_R + 1
        visible_R11S = cache.is_key_RS[:, None, None, : cache.used]

        def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys, values = cache.layers[layer]
            keys[:, :, column], values[:, :, column] = key, value
            return self._attended(
                layer, query[:, :, None], keys[:, :, : cache.used], values[:, :, : cache.used], visible_R11S
            ).squeeze(1)

        for n in range(len(self._decoder.layers)):
            token_BD = self._layer(n, token_BD, 0, rotation, attend)
        return self._decoder.norm(token_BD)

    def _check_window(self, length: int) -> None:
        if length > self._window:
            raise PrsbenchError(
                f"{length} tokens of image and text are more than the model's window of {self._window}. Shorten the question."
            )

    def _checkpointed(self, n: int, *inputs: Any) -> Tensor:
        """One layer, computed again in the backward pass if transformers' gradient checkpointing is on."""
        layer = self._decoder.layers[n]
        if getattr(layer, "gradient_checkpointing", False) and layer.training:
            return checkpoint(self._layer, n, *inputs, use_reentrant=False)
        return self._layer(n, *inputs)

    def _layer(self, n: int, x_MD: Tensor, first: int, rotation: tuple[Tensor, Tensor], attend: Callable[..., Tensor]) -> Tensor:
        """One layer's output for the tokens from `first` on; the others only provide keys and values."""
        layer = self._decoder.layers[n]
        query, key, value, out = self._projections[n]
        heads = (-1, layer.self_attn.head_dim)
        normed_MD = layer.input_layernorm(x_MD)
        queries = _rotated(query(normed_MD[first:]).unflatten(-1, heads), *(turn[first:] for turn in rotation))
        keys = _rotated(key(normed_MD).unflatten(-1, heads), *rotation)
        x_MD = x_MD[first:] + out(attend(n, queries, keys, value(normed_MD).unflatten(-1, heads)))
        normed_MD = layer.post_attention_layernorm(x_MD)
        return x_MD + layer.mlp.down_proj(recomputed(self._gated, layer.mlp.gate_proj(normed_MD), layer.mlp.up_proj(normed_MD)))

    def _gated(self, gate: Tensor, up: Tensor) -> Tensor:
        return self._decoder.layers[0].mlp.act_fn(gate) * up

    def _attended(self, n: int, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
        """Heads (B, H, T, E) to (B, T, H E). visible: which keys each query attends to; None: causal."""
        attention = self._decoder.layers[n].self_attn
        dropout = attention.attention_dropout if attention.training else 0.0
        grouped, attend = query.shape[1] != key.shape[1], partial(F.scaled_dot_product_attention, scale=attention.scaling)
        if grouped and visible is not None and self._is_on_gpu:
            out = _attend_in_groups(partial(attend, dropout_p=dropout), query, key, value, visible)
        else:
            out = attend(query, key, value, visible, dropout, is_causal=visible is None, enable_gqa=grouped)
        return out.transpose(1, 2).flatten(2)

    def _rotation(self, x_MD: Tensor, position_M: Tensor) -> tuple[Tensor, Tensor]:
        cos_1ME, sin_1ME = self._decoder.rotary_emb(x_MD, position_M[None])
        return cos_1ME[0, :, None], sin_1ME[0, :, None]


def refuse_other_forms(decoder: nn.Module) -> None:
    """Raise PrsbenchError if `SharedPrefixDecoder` cannot run this decoder."""
    if type(decoder).__name__ not in FORMS:
        raise PrsbenchError(
            f"Language model {type(decoder).__name__} is not supported; expected one of {', '.join(FORMS)}. "
            "Set `language_model` to a Llama or Mistral."
        )


def weights_version(decoder: nn.Module) -> tuple[object, ...]:
    """A value that changes when a weight is written to or replaced, or when LoRA is switched off or on."""
    from peft.tuners.lora import Linear

    lora_off = (module.disable_adapters for module in decoder.modules() if isinstance(module, Linear))
    return (*lora_off, *((p.data_ptr(), p._version) for p in decoder.parameters()))


def _attend_in_groups(attend: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """The query heads that share a key head, as more tokens of one head.

    CUDA's fused kernels take a mask or grouped heads, not both: keys and values would be copied in float32 for every query head.
    """
    groups, count = key.shape[1], query.shape[1] // key.shape[1]
    if visible.shape[-2] > 1:
        visible = torch.cat([visible] * count, dim=-2)
    out = attend(query.unflatten(1, (groups, count)).flatten(2, 3), key, value, visible)
    return out.unflatten(2, (count, query.shape[2])).flatten(1, 2)


def _rotated(x_MHE: Tensor, cos_M1E: Tensor, sin_M1E: Tensor) -> Tensor:
    first, second = x_MHE.chunk(2, dim=-1)
    return x_MHE * cos_M1E + torch.cat([-second, first], dim=-1) * sin_M1E


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """x[index] through F.embedding, whose gradient is deterministic, also on a GPU, and fast on a CPU."""
    return F.embedding(index, x.flatten(1)).unflatten(-1, x.shape[1:])


def _projection(module: Any, merged: bool) -> Callable[[Tensor], Tensor]:
    """The projection; if `merged`, with LoRA added to a copy of its weight, so that LoRA costs nothing per token.

    In less than float32 the sum would round LoRA away, so there LoRA stays separate.
    """
    from peft.tuners.lora import Linear

    if not merged or not isinstance(module, Linear) or module.disable_adapters or module.weight.dtype != torch.float32:
        return module
    weight = module.weight + sum(module.get_delta_weight(name) for name in module.active_adapters)
    return partial(F.linear, weight=weight, bias=module.bias)
