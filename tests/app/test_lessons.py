"""What people say about plans is remembered: by `do`, `approve` and `reject`, and a damaged memory stops none of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from intendant.app import Intendant

SENTENCE = "tidy up the customers, please"


def kept(app: Intendant) -> list[tuple[str, str, str]]:
    return [(e.sentence, e.plan, e.verdict) for e in app.memory.examples()]


def test_a_plan_that_answers_a_sentence_is_remembered_as_its_correction(shop: Intendant) -> None:
    done = shop.do(SENTENCE, answers={"other": "check customers"})
    assert done.status == "succeeded"
    assert kept(shop) == [(SENTENCE, "check customers", "corrected")]
    assert shop.memory.examples()[0].run == done.run_id


def test_a_plan_that_waits_is_remembered_by_what_is_said_about_it(shop: Intendant) -> None:
    for say, verdict in ((shop.reject, "rejected"), (shop.approve, "approved")):
        waiting = shop.do(SENTENCE, answers={"other": "drop customers"})
        assert waiting.status == "waiting_approval" and kept(shop)[-1][2] == "waiting"
        say(waiting.approval)
        assert kept(shop) == [(SENTENCE, "drop customers", verdict)]


def test_a_no_at_the_terminal_is_remembered(shop: Intendant) -> None:
    said = shop.do(SENTENCE, answers={"other": "drop customers"}, confirm=lambda prepared: False)
    assert said.status == "refused" and kept(shop) == [(SENTENCE, "drop customers", "rejected")]


def test_what_nobody_spoke_about_teaches_nothing(shop: Intendant) -> None:
    shop.do("check customers")
    shop.do("drop customers", approve=True)
    shop.do(SENTENCE, answers={"other": "check customers"}, dry_run=True)
    assert kept(shop) == [] and not shop.memory.path.exists()


def test_a_run_that_failed_teaches_nothing(shop: Intendant) -> None:
    failed = shop.do(SENTENCE, answers={"other": "restore customers to version 99"}, approve=True)
    assert failed.status == "failed" and kept(shop) == []


def test_secrets_of_the_sources_are_not_kept(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "plainword")
    (workspace / "intendant.toml").write_text(
        '[sources.s]\nkind = "rest"\nurl = "http://127.0.0.1:1"\nauth = { bearer = "${SHOP_TOKEN}" }\n'
    )
    with Intendant(workspace) as app:
        app.load(workspace / "customers.csv", "customers")
        assert app.do("tidy customers plainword", answers={"other": "check customers"}).status == "succeeded"
        assert kept(app) == []


def test_a_damaged_memory_is_told_of_and_stops_no_run(shop: Intendant) -> None:
    shop.memory.path.write_bytes(b"no database at all " * 400)
    done = shop.do(SENTENCE, answers={"other": "check customers"})
    assert done.status == "succeeded" and "intendant model forget --all" in done.reason
    waiting = shop.do(SENTENCE, answers={"other": "drop customers"})
    assert shop.approve(waiting.approval).status == "succeeded"


def test_the_memory_goes_with_the_workspace(
    shop: Intendant, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop.do(SENTENCE, answers={"other": "check customers"})
    copy = tmp_path_factory.mktemp("copy") / "w"
    shop.close()
    shutil.copytree(workspace, copy)
    with Intendant(copy) as app:
        assert kept(app) == [(SENTENCE, "check customers", "corrected")]
