"""Kill -9 anywhere: the run resumes and ends as if nothing had been.

Every boundary of every phase and every fact told is met, not a sample: an unbroken run lists what it passes; then a run is
killed at one boundary after the other, each time resumed by a new process up to the next one. Six such chains share
the boundaries, so that between two kills there is work.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.harness import PLAN, RUN, Zygote, copy, left, shop, template
from intendant.app import Intendant

CHAINS = 6
SMALL = "ingest shop.orders into staging.orders"


@dataclass
class World:
    """A workspace to copy, what an unbroken run leaves of it, and the boundaries that it passed."""

    base: Path
    template: Path
    unbroken: dict[str, Any]
    boundaries: list[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    base = tmp_path_factory.mktemp("kill")
    with shop() as api, Zygote.start() as zygote:
        template(base / "template", api)
        unbroken = copy(base / "template", base / "unbroken")
        assert zygote.order(unbroken, do=PLAN, log=str(base / "log")) == 0
        assert json.loads((unbroken / "result").read_text())["status"] == "succeeded"
        names = list(dict.fromkeys((base / "log").read_text().split("\n")[:-1]))
        del names[names.index("told:finished.0.succeeded") + 1:]  # the run is over, so its process may end before it passes more
        yield World(base, base / "template", left(unbroken), names)


def chained(world: World, zygote: Zygote, names: list[str], folder: Path) -> dict[str, Any]:
    """Killed at each of the names in turn, then left to end."""
    copy(world.template, folder)
    for n, name in enumerate(names):
        status = zygote.order(folder, do="" if n else PLAN, at=name)
        assert status == signal.SIGKILL, f"{name} was not met"
    assert zygote.order(folder) == 0
    return left(folder)


@pytest.mark.timeout(400)
def test_a_run_killed_at_any_boundary_ends_as_if_it_never_was(world: World) -> None:
    assert len(world.boundaries) > 100

    def chain(n: int) -> dict[str, Any]:
        with Zygote.start() as zygote:
            return chained(world, zygote, world.boundaries[n::CHAINS], world.base / f"chain{n}")

    with ThreadPoolExecutor(CHAINS) as pool:
        for result in pool.map(chain, range(CHAINS)):
            for part, value in world.unbroken.items():
                assert result[part] == value, part


def test_what_a_run_leaves_is_what_it_says(world: World) -> None:
    """The unbroken run, so that the comparison above compares what is right."""
    tables = world.unbroken["tables"]
    assert world.unbroken["stages"] == []
    assert [v[3:] for v in tables["staging.orders"]["versions"]][:3] == [[True, "2"], [True, "1"], [True, "0"]]
    assert len(tables["staging.orders"]["rows"]) == 37
    assert len(tables["quarantine.staging.orders"]["rows"]) == 3
    assert len(tables["visits"]["rows"]) == 30
    assert tables["prices"]["rows"] == ['["a", 1.0]', '["b", 2.5]', '["c", 3.0]', '["d", 4.0]']
    assert len(tables["mart"]["rows"]) == 37
    keys = [f[0] for f in world.unbroken["facts"]]
    assert len(keys) == len(set(keys))
    assert keys[-1].startswith("finished.")
    assert [(s[0], s[1].splitlines()[-1], s[2]) for s in world.unbroken["schedules"]] == [
        ("mart", "provision mart from staging.orders sort by customer", "0 0 * * *")
    ]


@pytest.mark.timeout(300)
def test_a_publish_killed_before_any_change_of_a_file_name_is_whole_or_not_there(world: World) -> None:
    """Links, renames and removals are what makes files count; a quarantine is in the run."""

    def killed(span: range) -> list[tuple[int, dict[str, Any]]]:
        out = []
        with Zygote.start() as zygote:
            for n in span:
                folder = copy(world.template, world.base / f"operation{n}")
                if zygote.order(folder, do=SMALL, operation=n) != signal.SIGKILL:
                    break
                with Intendant(folder) as app:
                    for name in app.lake.names():
                        assert app.lake.snapshot(name).rows in (20, 3, 4, 39, 18, 1), name
                assert zygote.order(folder, plan=SMALL) == 0
                out.append((n, left(folder)))
        return out

    whole = copy(world.template, world.base / "whole")
    with Zygote.start() as zygote:
        assert zygote.order(whole, do=SMALL, log=str(world.base / "small")) == 0
    count = len((world.base / "small.operations").read_text().splitlines())
    expected = left(whole)
    with ThreadPoolExecutor(CHAINS) as pool:
        spans = [range(n + 1, count + 1, CHAINS) for n in range(CHAINS)]
        results = [r for rs in pool.map(killed, spans) for r in rs]
    assert len(results) >= count - 2
    for n, result in results:
        for part, value in expected.items():
            assert result[part] == value, f"{part} after a kill before change {n}"


def test_a_run_that_is_resumed_by_another_sentence_ends_too(world: World, tmp_path: Path) -> None:
    folder = copy(world.template, tmp_path / "w")
    with Zygote.start() as zygote:
        assert zygote.order(folder, do=PLAN, at="after:3.publish") == signal.SIGKILL
    with Intendant(folder) as app:
        assert app.do("query prices top 1 by price").status == "succeeded"
        app.resume()
        assert app.result(RUN).status == "succeeded"
    result = left(folder)
    for part in ("facts", "tables", "schedules"):
        assert result[part] == world.unbroken[part], part
