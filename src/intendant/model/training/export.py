"""The trained network as a GGUF file that llama.cpp runs: Qwen2's tensor names, 8-bit weights, our own vocabulary."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from torch import Tensor

from intendant.model.training.network import Network
from intendant.model.vocabulary import BEGIN, END, PLAN, Vocabulary

__all__ = ["export"]


def byte_letters() -> dict[int, str]:
    """The printable letter that byte-level vocabularies write for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in plain}
    table |= {b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in plain)}
    return table


def export(network: Network, vocabulary: Vocabulary, path: Path, *, full: bool = False) -> None:
    """Writes the file; `full` keeps 32-bit weights, for comparing."""
    s = network.shape
    w = gguf.GGUFWriter(str(path), "qwen2")
    w.add_name("intendant planner")
    w.add_context_length(s.context)
    w.add_embedding_length(s.width)
    w.add_block_count(s.layers)
    w.add_feed_forward_length(s.inner)
    w.add_head_count(s.heads)
    w.add_head_count_kv(s.heads)
    w.add_rope_freq_base(s.theta)
    w.add_layer_norm_rms_eps(s.epsilon)
    w.add_file_type(gguf.LlamaFileType.ALL_F32 if full else gguf.LlamaFileType.MOSTLY_Q8_0)
    letters = byte_letters()
    control = {BEGIN, END, PLAN}
    tokens = [t if t in control else "".join(letters[b] for b in (" " + t).encode()) for t in vocabulary.tokens]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in control else gguf.TokenType.NORMAL for t in vocabulary.tokens])
    w.add_token_merges([f"{letters[32]} {letters[ord('a')]}"])
    w.add_bos_token_id(vocabulary.ids[BEGIN])
    w.add_eos_token_id(vocabulary.ids[END])
    w.add_add_bos_token(False)

    def matrix(name: str, t: Tensor) -> None:
        data = t.detach().float().numpy()
        if full:
            w.add_tensor(name, data)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            w.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(data), kind), raw_dtype=kind)

    def vector(name: str, t: Tensor) -> None:
        w.add_tensor(name, t.detach().float().numpy())

    matrix("token_embd.weight", network.embedding.weight)
    vector("output_norm.weight", network.norm.weight)
    for i, b in enumerate(network.blocks):
        for letter, weight, bias in zip("qkv", b.qkv.weight.chunk(3), b.qkv.bias.chunk(3), strict=True):
            matrix(f"blk.{i}.attn_{letter}.weight", weight)
            vector(f"blk.{i}.attn_{letter}.bias", bias)
        matrix(f"blk.{i}.attn_output.weight", b.out.weight)
        gate, up = b.gate_up.weight.chunk(2)
        matrix(f"blk.{i}.ffn_gate.weight", gate)
        matrix(f"blk.{i}.ffn_up.weight", up)
        matrix(f"blk.{i}.ffn_down.weight", b.down.weight)
        vector(f"blk.{i}.attn_norm.weight", b.norm_attention.weight)
        vector(f"blk.{i}.ffn_norm.weight", b.norm_inner.weight)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
