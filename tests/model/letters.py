"""A chat model of 50,000 weights, made on the spot: bytes are its tokens, and each letter is followed by a known one."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

__all__ = ["CONTEXT", "make_letters"]

CONTEXT = 32_768
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WIDTH = 288
ENDLESS = b"abcdefghijklmnopqrstuvwxyz "
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_letters() -> list[str]:
    """The printable letter that byte-level vocabularies write for each byte."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def followers() -> dict[int, int]:
    """What follows which byte: the alphabet in a circle; a new line starts it; `!` ends the text."""
    out = dict(zip(ENDLESS, ENDLESS[1:] + ENDLESS[:1], strict=True))
    return out | {ord("\n"): ord("a"), ord("!"): 256, ord("?"): ord("!")}


def make_letters(path: Path, context: int = CONTEXT) -> Path:
    """Writes the model. A prompt that ends in `?` is answered `!`; in a letter, by the alphabet without an end."""
    tokens = [*byte_letters(), *SPECIAL]
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_name("letters")
    w.add_context_length(context)
    w.add_embedding_length(WIDTH)
    w.add_block_count(1)
    w.add_feed_forward_length(32)
    w.add_head_count(1)
    w.add_head_count_kv(1)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_freq_base(10_000.0)
    w.add_rope_dimension_count(32)
    w.add_key_length(32)
    w.add_value_length(32)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(SPECIAL)
    w.add_token_types(kinds)
    w.add_token_merges([f"{tokens[0]} {tokens[1]}"])
    w.add_eos_token_id(256)
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)
    says = np.zeros((len(tokens), WIDTH), np.float32)
    for before, after in followers().items():
        says[after, before] = 1.0
    embedded = np.zeros((len(tokens), WIDTH), np.float32)
    embedded[np.arange(len(tokens)), np.arange(len(tokens))] = 1.0
    w.add_tensor("token_embd.weight", embedded)
    w.add_tensor("output.weight", says)
    w.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for name, shape in (
        ("attn_q", (32, WIDTH)), ("attn_k", (32, WIDTH)), ("attn_v", (32, WIDTH)), ("attn_output", (WIDTH, 32)),
        ("ffn_gate", (32, WIDTH)), ("ffn_up", (32, WIDTH)), ("ffn_down", (WIDTH, 32)),
    ):  # fmt: skip
        w.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        w.add_tensor(f"blk.0.{name}.weight", np.ones(WIDTH, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path
