"""Kill -9 while rows are on their way into the archive or back: every row is in one place, once.

The process dies before each change of a file's name that the run makes, and at each boundary that it passes; what resumes
it must leave what an unbroken run leaves.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from faults.harness import RUN, Zygote, copy
from intendant.app import Intendant

AWAY = "archive orders where id < 50\nretain orders versions 2"
BACK = "restore orders from archive"
CHAINS = 4


def template(folder: Path) -> None:
    Intendant.init(folder).close()
    (folder / "orders.csv").write_text(
        "id,amount\n" + "".join(f"{i},{i * 1.5}\n" for i in range(120)), encoding="utf-8"
    )
    with Intendant(folder) as app:
        app.load(folder / "orders.csv", "orders")
        assert app.do("transform orders derive tax = amount * 0.1").status == "succeeded"


def left(folder: Path) -> dict[str, Any]:
    """Rows in the table and in the archives, what is still kept, and what lies about."""
    with Intendant(folder) as app:
        app.journal.verify()
        shown = app.show("orders")
        archived = [[a["rows"], a["state"]] for a in shown["archives"]]
        counts = app.sql("SELECT count(*), count(DISTINCT id), sum(amount) FROM orders")["rows"]
        files = sorted(p.name for p in (folder / ".intendant" / "archive").rglob("*") if p.is_file())
        about = [p.name for p in (folder / ".intendant" / "archiving").glob("*")]
        kinds = [e.kind for e in app.journal.events(RUN)]
        return {
            "archived": archived,
            "counts": counts,
            "versions": [h["version"] for h in app.history("orders")],
            "files": files,
            "about": about,
            "old_files": shown["old_files"],
            "done": kinds.count("run.finished"),
        }


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A workspace before the rows leave, and one before they come back."""
    base = tmp_path_factory.mktemp("archive")
    template(base / "away")
    copy(base / "away", base / "back")
    with Intendant(base / "back") as app:
        assert app.do(AWAY, approve=True).status == "succeeded"
    yield {"away": base / "away", "back": base / "back"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("way", "plan"), [("away", AWAY), ("back", BACK)])
def test_a_run_killed_anywhere_leaves_every_row_in_one_place(bases: dict[str, Path], way: str, plan: str) -> None:
    root = bases[way].parent
    with Zygote.start() as zygote:
        unbroken = copy(bases[way], root / f"{way}-unbroken")
        assert zygote.order(unbroken, do=plan, plan=plan, approve=True, log=str(root / f"{way}.log")) == 0
    wanted = left(unbroken)
    assert wanted["counts"][0][0] + sum(n for n, state in wanted["archived"] if state == "archived") == 120
    names = list(dict.fromkeys((root / f"{way}.log").read_text().split("\n")[:-1]))
    names = names[: names.index("told:finished.0.succeeded") + 1]
    operations = len((root / f"{way}.log.operations").read_text().splitlines())
    assert len(names) > 10 and operations > 5

    def chain(n: int) -> None:
        with Zygote.start() as zygote:
            for k in range(1 + n, operations + 1, CHAINS):
                folder = copy(bases[way], root / f"{way}-operation-{k}")
                zygote.order(folder, do=plan, plan=plan, approve=True, operation=k)
                assert zygote.order(folder, plan=plan, approve=True) == 0
                assert left(folder) == wanted, f"killed before operation {k}"
            folder = copy(bases[way], root / f"{way}-chain-{n}")
            for i, name in enumerate(names[n::CHAINS]):
                status = zygote.order(folder, do="" if i else plan, plan=plan, approve=True, at=name)
                assert status == signal.SIGKILL, f"{name} was not met"
            assert zygote.order(folder, plan=plan, approve=True) == 0
            assert left(folder) == wanted, f"killed at {names[n::CHAINS]}"

    with ThreadPoolExecutor(CHAINS) as pool:
        list(pool.map(chain, range(CHAINS)))
