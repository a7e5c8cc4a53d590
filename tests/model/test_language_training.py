"""A chat model is fine-tuned on sentences and plans: whole or by adapters, on a small Qwen2 made on the spot."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from intendant import Intendant
from intendant.errors import ModelError, UsageError
from intendant.model.feedback import Tuning, train, world_of
from intendant.model.training.generate import bank

LACKING = [p for p in ("torch", "transformers", "safetensors") if importlib.util.find_spec(p) is None]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def small_qwen(folder: Path) -> Path:
    """A checkpoint of Qwen2's architecture with 0.2 million weights, Qwen2.5's template and a tokenizer like its own."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    texts = [f"{p.text}\n{p.plan}" for p in bank()[:1500]]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=1200, special_tokens=special, initial_alphabet=alphabet)
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = CHATML
    fast.save_pretrained(folder)
    torch.manual_seed(3)
    config = Qwen2Config(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=fast.eos_token_id, tie_word_embeddings=True,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.train
@pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} missing: pip install 'intendant[train]'")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rank", [0, 4])
def test_a_chat_model_learns_plans_and_then_reads(tmp_path: Path, rank: int) -> None:
    import torch
    from safetensors.torch import load_file

    from intendant.model.training.language import LanguageSettings, tune_language

    base, folder = small_qwen(tmp_path / "base"), tmp_path / "w" / ".intendant" / "models" / "mine"
    (tmp_path / "orders.csv").write_text("order_id,price\n1,5\n2,7\n")
    with Intendant.init(tmp_path / "w") as app:
        app.load(tmp_path / "orders.csv", "orders")
    folder.mkdir(parents=True)
    tune_language(LanguageSettings(str(base), rank=rank, steps=6, batch=1, rate=1e-2, longest=4096), folder)
    card = json.loads((folder / "language.json").read_text())
    assert card["steps"] == 6 and card["loss"][-1][1] < 7.2 and len(card["base"]) == len(card["data"]) == 64
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    changed = {n for n in after if not torch.equal(before[n], after[n])}
    adapted = {n for n in after if n.endswith("_proj.weight")}
    assert changed == adapted if rank else changed > adapted
    assert (folder / "adapter.safetensors").exists() is bool(rank)
    path = tmp_path / "w" / "intendant.toml"
    path.write_text(path.read_text() + '\n[model]\npath = ".intendant/models/mine"\nreads = true\n')
    with Intendant(tmp_path / "w") as app:
        assert app.plan("show the orders with a price above 5").status in ("succeeded", "needs_answer")


@pytest.mark.train
@pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} missing: pip install 'intendant[train]'")
def test_a_context_too_short_for_the_language_is_an_error(tmp_path: Path) -> None:
    from intendant.model.training.language import LanguageSettings, tune_language

    with pytest.raises(ModelError, match="no sample fits into 64 tokens"):
        tune_language(LanguageSettings(str(small_qwen(tmp_path / "base")), longest=64), tmp_path)


@pytest.mark.train
@pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} missing: pip install 'intendant[train]'")
def test_a_folder_that_is_no_checkpoint_says_what_it_must_hold(tmp_path: Path) -> None:
    from intendant.model.training.language import LanguageSettings, tune_language

    (tmp_path / "base").mkdir()
    with pytest.raises(ModelError, match="can't be loaded") as e:
        tune_language(LanguageSettings(str(tmp_path / "base")), tmp_path)
    assert "chat template" in e.value.hint


def test_a_base_that_is_not_there_and_a_name_that_is_taken_are_told(tmp_path: Path) -> None:
    with Intendant.init(tmp_path) as app:
        world = world_of(app.knowledge.learn_all(), app.values)
        with pytest.raises(ModelError) as e:
            train(app.workspace, "mine", [], world, Tuning(base="nowhere"))
        assert ("intendant[train]" in e.value.hint) if LACKING else ("config.json" in e.value.hint)
        (app.workspace.state / "models" / "mine").mkdir(parents=True)
        with pytest.raises(UsageError, match="already"):
            train(app.workspace, "mine", [], world, Tuning(base="nowhere"))
