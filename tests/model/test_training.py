"""Training: samples come out the same by seed, and the exported file computes what PyTorch computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from intendant.model.training.catalogs import load_worlds
from intendant.model.training.generate import HELD_OUT, bank, is_held_out, samples
from intendant.model.vocabulary import Vocabulary
from intendant.planner.propose import EMBEDDED, embedded_words


def made(seed: int) -> list[tuple[str, str]]:
    worlds = load_worlds()
    pairs = [p for i, p in enumerate(bank()) if not is_held_out(p, i)]
    seen = {n: w for n, w in worlds.items() if n not in HELD_OUT}
    return [(s.prompt, s.plan) for s in samples(pairs, seen, embedded_words(EMBEDDED).known, seed, 25)]


def test_samples_are_the_same_by_seed_and_others_by_another() -> None:
    assert made(3) == made(3) != made(4)


def test_every_sample_can_be_written_with_the_vocabulary() -> None:
    words = embedded_words(EMBEDDED)
    assert all(words.plan(plan) and words.prompt(prompt) for prompt, plan in made(5))


@pytest.mark.train
def test_the_exported_model_computes_what_pytorch_computes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    from intendant.model.runtime import Runtime
    from intendant.model.training.export import export
    from intendant.model.training.network import Network, Shape

    words: Vocabulary = embedded_words(EMBEDDED)
    torch.manual_seed(1)
    network = Network(Shape(len(words.tokens), width=64, layers=2, heads=2, inner=96)).eval()
    export(network, words, tmp_path / "full.gguf", full=True)
    export(network, words, tmp_path / "small.gguf")
    full, small = Runtime(tmp_path / "full.gguf"), Runtime(tmp_path / "small.gguf")
    for prompt in (
        "many | check T1",
        "one last R1 | add a column for total revenue I1 E1",
        "none | hello unheardofword",
    ):
        tokens = words.prompt(prompt)
        with torch.no_grad():
            logs = torch.log_softmax(network(torch.tensor([tokens]))[0, -1], -1)
        choices = [words.tokens[i] for i in logs.topk(40).indices.tolist() if words.tokens[i].isalpha()][:2]
        for choice in choices:
            grammar = f'root ::= " {choice}"'
            said = float(logs[words.ids[choice]])
            end = network(torch.tensor([[*tokens, words.ids[choice]]])).log_softmax(-1)[0, -1, words.ids["</s>"]].item()
            assert full.complete(tokens, grammar=grammar).logprob == pytest.approx(said + end, abs=0.02)
            assert small.complete(tokens, grammar=grammar).logprob == pytest.approx(said + end, abs=0.4)
