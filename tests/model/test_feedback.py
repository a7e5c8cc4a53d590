"""A model made from feedback: what it learns from, when it counts as worse, and what taking it into use changes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from tests.model.tiny_reader import make_reader

from intendant.app import Intendant
from intendant.errors import IntendantError, ModelError, UsageError
from intendant.model import feedback
from intendant.model.reader import READER, Reader
from intendant.model.training.catalogs import World
from intendant.model.training.evaluate import Outcome
from intendant.model.training.generate import Pair, sample_of
from intendant.model.weights import fingerprint
from intendant.workspace import Workspace


def outcome(text: str, kind: str, catalog: str = "bank", confirm: bool = False) -> Outcome:
    return Outcome(Pair(catalog, text, "check t"), kind, "plan", 0.9, confirm, 0.01, kind)


def many(kinds: str, catalog: str = "bank") -> list[Outcome]:
    """r right, w wrong, a asked, c wrong but shown first."""
    known = {"r": "right", "w": "wrong", "a": "asked", "c": "wrong"}
    return [outcome(str(n), known[k], catalog, k == "c") for n, k in enumerate(kinds)]


def world(app: Intendant) -> World:
    return feedback.world_of(app.catalog(), app.values)


class TestExamples:
    def test_good_examples_become_pairs_over_the_workspace_s_catalog(self, shop: Intendant) -> None:
        text = "tidy up orders where region equals north"
        shop.do(text, answers={"other": "query orders filter region = 'north'"})
        (pair,) = feedback.own_pairs(shop.memory.examples(), world(shop))
        assert (pair.text, pair.plan) == (text, "query orders filter region = 'north'")
        made = sample_of(pair.text, pair.plan, world(shop), "own")
        assert made.plan.startswith("query T1 filter C")

    def test_what_depends_on_the_moment_or_was_rejected_teaches_no_model(self, shop: Intendant) -> None:
        shop.do("tidy it up", answers={"other": "check orders"})
        shop.reject(shop.do("tidy up orders", answers={"other": "drop orders"}).approval)
        assert len(shop.memory.examples()) == 2
        assert feedback.own_pairs(shop.memory.examples(), world(shop)) == []

    def test_what_was_said_of_a_table_that_has_changed_teaches_no_model(self, shop: Intendant) -> None:
        shop.do("tidy up orders", answers={"other": "check orders"})
        assert len(feedback.own_pairs(shop.memory.examples(), world(shop))) == 1
        shop.do("transform orders rename amount to price", approve=True)
        assert feedback.own_pairs(shop.memory.examples(), world(shop)) == []


class TestWorse:
    def test_the_same_is_not_worse(self) -> None:
        assert feedback.worse(many("rrwwa"), many("rrwwa")) == ""

    def test_one_sentence_of_the_workspace_lost_on_balance_is_worse(self) -> None:
        own = feedback.HERE
        assert "this workspace's sentences" in feedback.worse(many("rrw", own), many("rwa", own))
        assert feedback.worse(many("rw", own), many("wr", own)) == ""

    def test_a_few_sentences_of_many_may_be_lost_by_chance_but_not_more(self) -> None:
        assert feedback.worse(many("rraaaa"), many("aaraaa")) == ""
        assert "held-out sentences" in feedback.worse(many("r" * 20), many("aaa" + "r" * 17))

    def test_more_wrong_plans_that_run_unasked_are_worse(self) -> None:
        assert "unasked" in feedback.worse(many("aaaaaa"), many("wwwaaa"))
        assert feedback.worse(many("aaaaaa"), many("cccaaa")) == ""


@pytest.fixture
def place(workspace: Path) -> Workspace:
    return Workspace.open(workspace)


def scored(place: Workspace, name: str, worse: str) -> None:
    """Scores of a model beside the one in use, as `evaluate` keeps them."""
    file = feedback.model_file(place, name)
    prints = {"current": fingerprint(feedback.current(place)), "candidate": fingerprint(file)}
    (file.parent / "reader.scores.json").write_text(json.dumps({"worse": worse, "models": prints}))


class TestUse:
    def test_a_model_is_used_once_it_was_scored_and_is_not_worse(self, place: Workspace) -> None:
        make_reader(place.state / "models" / "first")
        feedback.use(place, "first", force=True)
        place = Workspace.open(place.root)
        make_reader(place.state / "models" / "second", seed=2)
        with pytest.raises(UsageError, match="not scored yet"):
            feedback.use(place, "second")
        scored(place, "second", "it forgot everything")
        with pytest.raises(UsageError, match="worse than the one in use: it forgot everything"):
            feedback.use(place, "second")
        scored(place, "second", "")
        done = feedback.use(place, "second")
        assert done == {
            "planner": ".intendant/models/second/reader.npz",
            "before": ".intendant/models/first/reader.npz",
        }
        assert feedback.current(Workspace.open(place.root)) == place.state / "models" / "second" / "reader.npz"

    def test_scores_beside_another_model_do_not_count(self, place: Workspace) -> None:
        for n, name in enumerate(("first", "second", "third")):
            make_reader(place.state / "models" / name, seed=n)
        feedback.use(place, "first", force=True)
        scored(Workspace.open(place.root), "third", "")
        feedback.use(place, "second", force=True)
        with pytest.raises(UsageError, match="scored beside another model"):
            feedback.use(Workspace.open(place.root), "third")

    def test_the_model_of_the_package_may_always_be_used(self, place: Workspace) -> None:
        make_reader(place.state / "models" / "mine")
        feedback.use(place, "mine", force=True)
        assert feedback.use(Workspace.open(place.root), "embedded")["planner"] == "embedded"
        assert feedback.current(Workspace.open(place.root)) == READER

    def test_a_name_that_is_not_there_is_told_with_the_nearest(self, place: Workspace) -> None:
        make_reader(place.state / "models" / "mine")
        with pytest.raises(UsageError, match="no planner's model 'mime'") as e:
            feedback.use(place, "mime")
        assert "mine" in e.value.hint

    @pytest.mark.parametrize(
        "text",
        [
            "",
            '[model]\nplanner = "old"  # why\npath = "a.gguf"\n\n[policy]\nquota_gb = 3.0\n',
            '# top\n[policy]\nquota_gb = 3.0\n\n[model]\nendpoint = "http://127.0.0.1:1"',
            "[model]",
            '[sources.planner]\nkind = "files"\npath = "x"\n[model] # planner = 1\n[engine]\nthreads = 1\n',
        ],
    )
    def test_every_other_line_of_the_file_stays(self, text: str, tmp_path: Path) -> None:
        file = tmp_path / "intendant.toml"
        file.write_text(text)
        before = tomllib.loads(text)
        feedback.write_planner(file, 'a "b"\\c')
        after = file.read_text()
        assert tomllib.loads(after) == {**before, "model": {**before.get("model", {}), "planner": 'a "b"\\c'}}
        assert [line for line in text.splitlines() if line and "planner =" not in line] == [
            line for line in after.splitlines() if line and line in text.splitlines() and "planner =" not in line
        ]
        assert [p.name for p in tmp_path.iterdir()] == ["intendant.toml"]

    def test_a_file_that_can_not_be_changed_by_a_line_is_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "intendant.toml"
        file.write_text('model = { planner = "x" }\n')
        with pytest.raises(IntendantError, match=r"can't be changed here") as e:
            feedback.write_planner(file, "y")
        assert 'planner = "y"' in e.value.hint and file.read_text() == 'model = { planner = "x" }\n'


class TestTrain:
    def test_what_is_missing_is_said(self, shop: Intendant) -> None:
        with pytest.raises(UsageError, match="can't be a model's name"):
            feedback.train(shop.workspace, "../x", [], world(shop), feedback.Tuning())
        with pytest.raises(UsageError, match="no examples to learn from"):
            feedback.train(shop.workspace, "mine", [], world(shop), feedback.Tuning())
        assert not (shop.workspace.state / "models").exists()

    def test_a_name_that_is_taken_is_refused(self, shop: Intendant) -> None:
        make_reader(shop.workspace.state / "models" / "mine")
        with pytest.raises(UsageError, match="there is a model 'mine' already"):
            feedback.train(shop.workspace, "mine", [], world(shop), feedback.Tuning())

    def test_without_pytorch_it_says_what_to_install(self, shop: Intendant) -> None:
        if feedback.find_spec("torch") is not None:
            pytest.skip("PyTorch is installed here")
        pairs = [Pair(feedback.HERE, "tidy up orders", "check orders")]
        with pytest.raises(ModelError, match="needs PyTorch") as e:
            feedback.train(shop.workspace, "mine", pairs, world(shop), feedback.Tuning())
        assert e.value.hint == "pip install 'intendant[train]'"

    @pytest.mark.train
    def test_a_model_is_trained_on_from_a_file_and_can_be_read(self, shop: Intendant, tmp_path: Path) -> None:
        pytest.importorskip("torch", reason="needs the extra `train`")
        start = make_reader(tmp_path / "start")
        pairs = [Pair(feedback.HERE, "tidy up orders", "check orders")]
        tuning = feedback.Tuning(minutes=2, steps=1, start=str(start))
        done = feedback.train(shop.workspace, "mine", pairs, world(shop), tuning)
        file = shop.workspace.state / "models" / "mine" / "reader.npz"
        card = json.loads(file.with_suffix(".json").read_text())
        assert done["file"] == str(file) and card["own_pairs"] == 1 and card["model"] == fingerprint(file)
        assert Reader(file).shape == Reader(start).shape and feedback.models(shop.workspace) == ["mine"]


def test_the_scores_of_two_models_stand_side_by_side(shop: Intendant) -> None:
    make_reader(shop.workspace.state / "models" / "mine")
    shop.do("tidy up orders", answers={"other": "check orders"})
    pairs = feedback.own_pairs(shop.memory.examples(), world(shop))
    found = feedback.evaluate(shop.workspace, "", pairs, world(shop), 4)
    assert (found["current"], found["candidate"]) == ("embedded", "mine")
    assert all(found["bank"][n]["plans"] + found["bank"][n]["no_plan"] == 4 for n in ("current", "candidate"))
    assert all(found["own"][n]["plans"] == 1 for n in ("current", "candidate"))
    kept = json.loads((shop.workspace.state / "models" / "mine" / "reader.scores.json").read_text())
    assert kept["worse"] == found["worse"] and kept["models"]["current"] == fingerprint(READER)
    assert len(found["now_right"]) + len(found["now_wrong"]) <= 5
