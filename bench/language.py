"""Time to a plan with a 0.5B model: llama.cpp as this package runs it, beside transformers' generate in float32.

    python bench/language.py --torch-python .venv-train/bin/python

Both have Qwen2.5-0.5B's shapes with random weights (its own can't be reached here; speed does not depend on them), the same
threads, a prompt of 700 tokens and 60 tokens to write. Cold: nothing computed before. Warm: the first 600 tokens were. One
process after the other on the same machine. Writes bench/language.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PAGE = Path(__file__).with_suffix(".md")
VOCABULARY, WIDTH, LAYERS, HEADS, KV_HEADS, INNER = 151_936, 896, 24, 14, 2, 4864
PROMPT, SHARED, ANSWER, TRIES = 700, 600, 60, 3

TORCH = f"""
import json, sys, time, torch
from transformers import Qwen2Config, Qwen2ForCausalLM
torch.set_num_threads(int(sys.argv[1])); torch.manual_seed(0)
c = Qwen2Config(vocab_size={VOCABULARY}, hidden_size={WIDTH}, intermediate_size={INNER}, num_hidden_layers={LAYERS},
    num_attention_heads={HEADS}, num_key_value_heads={KV_HEADS}, tie_word_embeddings=True, max_position_embeddings=4096)
m = Qwen2ForCausalLM(c).eval()
ids = torch.randint(1000, 100000, (1, {PROMPT}))
def once(past=None):
    at = time.perf_counter()
    with torch.inference_mode():
        m.generate(ids, max_new_tokens={ANSWER}, min_new_tokens={ANSWER}, do_sample=False, past_key_values=past, pad_token_id=0)
    return time.perf_counter() - at
def warmed():
    with torch.inference_mode():
        return m(ids[:, :{SHARED}], use_cache=True).past_key_values
once()
cold = [once() for _ in range({TRIES})]
warm = [once(warmed()) for _ in range({TRIES})]
print(json.dumps({{"cold": cold, "warm": warm}}))
"""


def random_gguf(path: Path) -> Path:
    """Qwen2.5-0.5B's shapes in 8 bits, random."""
    import gguf
    import numpy as np

    rng = np.random.default_rng(0)
    w = gguf.GGUFWriter(str(path), "qwen2")
    w.add_context_length(4096)
    w.add_embedding_length(WIDTH)
    w.add_block_count(LAYERS)
    w.add_feed_forward_length(INNER)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS)
    w.add_rope_freq_base(1_000_000.0)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    w.add_token_types([gguf.TokenType.NORMAL] * VOCABULARY)
    w.add_token_merges(["t 1"])
    w.add_eos_token_id(VOCABULARY - 1)
    w.add_add_bos_token(False)

    def matrix(name: str, rows: int, columns: int) -> None:
        data = (rng.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0
        w.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)

    matrix("token_embd.weight", VOCABULARY, WIDTH)
    w.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    kv = WIDTH // HEADS * KV_HEADS
    for i in range(LAYERS):
        for name, rows in (("attn_q", WIDTH), ("attn_k", kv), ("attn_v", kv)):
            matrix(f"blk.{i}.{name}.weight", rows, WIDTH)
            w.add_tensor(f"blk.{i}.{name}.bias", np.zeros(rows, np.float32))
        matrix(f"blk.{i}.attn_output.weight", WIDTH, WIDTH)
        matrix(f"blk.{i}.ffn_gate.weight", INNER, WIDTH)
        matrix(f"blk.{i}.ffn_up.weight", INNER, WIDTH)
        matrix(f"blk.{i}.ffn_down.weight", WIDTH, INNER)
        for name in ("attn_norm", "ffn_norm"):
            w.add_tensor(f"blk.{i}.{name}.weight", np.ones(WIDTH, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def by_llama(path: Path, threads: int) -> dict[str, list[float]]:
    import random

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.cache_prompt, params.verbosity, params.ui = 4096, True, -1, False
    params.cpuparams.n_threads = threads
    server = xllamacpp.Server(params)
    rng = random.Random(0)

    def once(shared: list[int]) -> float:
        own = [rng.randrange(1000, 100_000) for _ in range(PROMPT - len(shared))]
        asked = {
            "prompt": shared + own,
            "n_predict": ANSWER,
            "temperature": 0.0,
            "ignore_eos": True,
            "cache_prompt": True,
        }
        at = time.perf_counter()
        answer = server.handle_completions(asked)
        spent = time.perf_counter() - at
        said = json.loads(answer) if isinstance(answer, str | bytes) else answer
        usage = said.get("usage", {}).get("completion_tokens", said.get("tokens_predicted", ANSWER))
        assert usage == ANSWER, said
        return spent

    shared = [rng.randrange(1000, 100_000) for _ in range(SHARED)]
    once([])
    cold = [once([]) for _ in range(TRIES)]
    once(shared)
    return {"cold": cold, "warm": [once(shared) for _ in range(TRIES)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=".venv-train/bin/python")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        ours = by_llama(random_gguf(Path(tmp) / "random.gguf"), given.threads)
    command = [given.torch_python, "-W", "ignore", "-c", TORCH, str(given.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    lines = [
        "# Time to a plan with a 0.5B model",
        "",
        f"Qwen2.5-0.5B's shapes, random weights, {given.threads} threads on {platform.machine()}; a prompt of {PROMPT} tokens, "
        f"{ANSWER} tokens written; warm: {SHARED} of them computed before. Medians of {TRIES}. "
        "`python bench/language.py` repeats it.",
        "",
        "| seconds | llama.cpp, 8 bits | transformers, float32 | times faster |",
        "|---|---|---|---|",
    ]
    for how in ("cold", "warm"):
        a, b = statistics.median(ours[how]), statistics.median(theirs[how])
        lines.append(f"| {how} | {a:.2f} | {b:.2f} | {b / a:.1f} |")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
