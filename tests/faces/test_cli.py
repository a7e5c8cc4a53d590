"""The command line as a program sees it: exit statuses, one JSON object, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intendant.app import Intendant
from intendant.faces.cli import ordered, told
from intendant.faces.terminal import show_findings

Cli = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli")
    with Intendant.init(root) as app:
        (root / "o.csv").write_text("order_id,amount\n1,5\n2,7\n3,9\n", encoding="utf-8")
        app.load(root / "o.csv", "orders")
    return root


@pytest.fixture(scope="module")
def cli(folder: Path) -> Cli:
    """`cli("tables")` runs the command in the workspace with --json: its exit status and what it printed."""

    def run(*words: str) -> tuple[int, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "intendant.faces.cli", *words, "--json"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert len(done.stdout.strip().splitlines()) == 1, done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


RESULT = {
    "status", "run_id", "intent", "plan", "steps", "confidence", "questions", "reason", "outputs", "answer", "findings",
    "error", "timing_ms", "preview", "approval",
}  # fmt: skip


def test_what_succeeds_ends_with_0(cli: Cli) -> None:
    status, out = cli("do", "query orders top 1 by amount")
    assert (status, out["status"], set(out)) == (0, "succeeded", RESULT)
    assert out["answer"] == {"columns": ["order_id", "amount"], "rows": [[3, 9]]}


def test_a_source_that_offers_nothing_says_where_to_look(tmp_path: Path) -> None:
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text('[sources.shop]\nkind = "rest"\nurl = "${NO_SUCH_VARIABLE}"\n')
    command = [sys.executable, "-m", "intendant.faces.cli", "sources"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "shop: nothing to read was found; `intendant doctor` says why" in " ".join(done.stdout.split())


def test_what_fails_ends_with_1_and_the_four_fields_of_an_error(cli: Cli) -> None:
    status, out = cli("do", "query ordrs")
    assert (status, out["status"]) == (1, "failed")
    assert out["error"] == {
        "code": "unknown_name",
        "message": "there is no table 'ordrs'",
        "where": "line 1, column 7, in `query ordrs`",
        "hint": "Did you mean 'orders'?",
    }


def test_what_was_rolled_back_ends_with_1(cli: Cli) -> None:
    status, out = cli("do", "check orders for amount above 5 on failure rollback")
    assert (status, out["status"]) == (1, "rolled_back")


def test_what_waits_for_an_approval_ends_with_4_and_is_approved_by_its_id(cli: Cli) -> None:
    status, out = cli("do", "transform orders first 1 into spare; drop orders")
    assert (status, out["status"]) == (4, "waiting_approval")
    status, out = cli("reject", out["approval"])
    assert (status, out["status"]) == (0, "rolled_back")
    status, out = cli("tables")
    assert (status, out) == (0, [{"name": "orders", "version": 0, "rows": 3}])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("do",), "Missing argument"),
        (("tabels",), "No such command 'tabels'"),
        (("rollback", "orders", "--to", "x"), "Invalid value for '--to'"),
        (("tables", "--workspace", "/nowhere"), "'/nowhere' is no workspace"),
        (("load", "nope.csv", "x"), "there is no file"),
        (("load", "o.csv", "x", "--types", "{bad"), "this is not JSON"),
        (("advise", "nope.json"), "'nope.json' can't be read"),
    ],
)
def test_wrong_usage_ends_with_2_and_an_error_as_json(words: tuple[str, ...], message: str, cli: Cli) -> None:
    status, out = cli(*words)
    assert (status, out["status"], out["error"]["code"]) == (2, "failed", out["error"]["code"])
    assert out["error"]["message"].startswith(message) and out["error"]["hint"]


def test_options_may_stand_before_the_command() -> None:
    assert ordered(["--json", "-w", "here", "do", "query a"]) == ["do", "--json", "-w", "here", "query a"]
    assert ordered(["--workspace=here", "tables"]) == ["tables", "--workspace=here"]
    assert ordered(["do", "-w", "here"]) == ["do", "-w", "here"]
    assert ordered(["--help"]) == ["--help"]


def test_a_fault_of_ours_is_an_error_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(ZeroDivisionError("division by zero"), True) == 1
    out = json.loads(capsys.readouterr().out)
    assert out["error"]["code"] == "internal" and out["error"]["message"] == "ZeroDivisionError: division by zero"


def test_two_processes_at_once_both_succeed_and_nothing_is_done_twice(folder: Path) -> None:
    words = [sys.executable, "-m", "intendant.faces.cli", "do", "--json", "--workspace", str(folder)]
    running = [
        subprocess.Popen([*words, f"transform orders derive n = {n} into copy_{n}"], stdout=subprocess.PIPE, text=True)
        for n in (1, 2)
    ]
    results = [json.loads(p.communicate(timeout=100)[0]) for p in running]
    assert [r["status"] for r in results] == ["succeeded", "succeeded"]
    with Intendant(folder) as app:
        assert [len(app.history(f"copy_{n}")) for n in (1, 2)] == [1, 1]
        assert app.journal.verify() > 0


def test_people_see_control_characters_as_text(folder: Path) -> None:
    odd = "evil\x1b[2J\u202ename"
    (folder / "odd.csv").write_text("a\nx\x1b[31m\n", encoding="utf-8")
    with Intendant(folder) as app:
        app.load(folder / "odd.csv", odd)
    for words in (("tables",), ("sql", f'SELECT * FROM "{odd}"'), ("show", odd), ("do", f'query "{odd}"'), ("history", odd)):
        done = subprocess.run([sys.executable, "-m", "intendant.faces.cli", *words], cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert b"\x1b[2J" not in done.stdout and b"\x1b[31m" not in done.stdout and "\u202e".encode() not in done.stdout


def test_one_finding_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"severity": "LOW", "evidence": "1 row is set aside in quarantine.prices"}
    show_findings([found])
    show_findings([found, found])
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if "finding" in line] == ["1 finding", "2 findings"]
