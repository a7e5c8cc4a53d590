"""The reader's network: the shipped file loads, computes what PyTorch computes, and says the same twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from intendant.errors import ModelError
from intendant.model.reader import READER, Reader, reader

PROMPT = "count the orders T1 per country C1 | T1 orders C1 country M1 amount".split()


def told(model: Reader, answer: list[str]) -> list[float]:
    """The log-probability of each number of an answer."""
    state, out, before = model.read(*model.pieces.prompt(PROMPT)), [], model.pieces.end
    for number in model.pieces.answer(answer):
        out.append(float(model.step(state, np.array([before]))[0][number]))
        before = number
    return out


def test_the_same_prompt_gives_the_same_numbers() -> None:
    plan = "query T1 group by C1 : count".split()
    assert told(reader(READER), plan) == told(reader(READER), plan)


def test_answers_scored_at_once_have_the_sums_of_their_steps() -> None:
    model = reader(READER)
    plans = ["query T1 group by C1 : count".split(), "transform T1 filter M1 is null".split(), ["refuse"]]
    found = model.scored(model.read(*model.pieces.prompt(PROMPT)), [model.pieces.answer(p) for p in plans])
    assert found == pytest.approx([sum(told(model, p)) for p in plans], abs=1e-2)


def test_an_answer_leaves_a_fresh_state_of_its_prompt_as_it_was() -> None:
    model = reader(READER)
    state, end = model.read(*model.pieces.prompt(PROMPT)), np.array([model.pieces.end])
    first = model.step(state.fresh(), end)
    assert np.array_equal(model.step(state.fresh(), end), first) and state.time == 0


def test_probabilities_add_up_to_one() -> None:
    model = reader(READER)
    logs = model.step(model.read(*model.pieces.prompt(PROMPT)), np.array([model.pieces.end]))
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-3)


def test_an_id_that_is_not_in_the_prompt_cannot_be_written() -> None:
    model = reader(READER)
    logs = model.step(model.read(*model.pieces.prompt(PROMPT)), np.array([model.pieces.end]))
    assert logs[0][model.pieces.id_number("T", 9)] < -1000


def test_beams_go_on_from_the_states_they_were_kept_from() -> None:
    model = reader(READER)
    state = model.read(*model.pieces.prompt(PROMPT))
    model.step(state, np.array([model.pieces.end]))
    query = model.pieces.answer_numbers["query"]
    twice = model.step(state.kept(np.array([0, 0])), np.array([query, query]))
    assert np.allclose(twice[0], twice[1])


def test_a_model_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        Reader(tmp_path / "none.npz")


def test_a_file_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"no model at all")
    (tmp_path / "bad.pieces").write_text(READER.with_suffix(".pieces").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ModelError, match="can't be read"):
        Reader(tmp_path / "bad.npz")


def test_importing_the_planner_loads_neither_the_model_nor_heavy_libraries() -> None:
    code = "import sys, intendant.planner; print('xllamacpp' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


@pytest.mark.train
def test_the_exported_model_computes_what_pytorch_computes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the extra `train`")
    from intendant.model.training.export import export
    from intendant.model.training.network import Network, Shape

    pieces = reader(READER).pieces
    torch.manual_seed(1)
    network = Network(
        Shape(
            len(pieces.pieces), len(pieces.answers), width=48, layers=2, heads=4, inner=96, own_width=32, own_inner=64
        )
    ).eval()
    for name, full in (("full", True), ("small", False)):
        export(network, tmp_path / f"{name}.npz", full=full)
        pieces.save(tmp_path / f"{name}.pieces")
    plan = "query T1 group by C1 : count".split()
    numbers, segments = pieces.prompt(PROMPT)
    answer = pieces.answer(plan)
    prompt = torch.tensor([numbers])
    with torch.no_grad():
        memory = network.read(prompt, torch.tensor([segments]), torch.ones_like(prompt, dtype=torch.bool))
        before = torch.tensor([[pieces.end, *answer[:-1]]])
        logs = network.scores(memory, prompt, network.write(memory, torch.ones_like(prompt, dtype=torch.bool), before))[
            0
        ]
    expected = []
    for t, n in enumerate(answer):
        at = prompt[0] - len(pieces.pieces) == n - len(pieces.answers)
        expected.append(
            float(logs[t, n] if n < len(pieces.answers) else logs[t, len(pieces.answers) :][at].logsumexp(0))
        )
    assert told(Reader(tmp_path / "full.npz"), plan) == pytest.approx(expected, abs=1e-3)
    assert told(Reader(tmp_path / "small.npz"), plan) == pytest.approx(expected, abs=0.3)
