"""The pages tell what the code does: generated parts are fresh, examples parse, links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant import errors
from intendant.actions.base import Action
from intendant.faces import docs
from intendant.language import parse, parts, print_plan
from intendant.sources import kinds, source_class
from intendant.workspace import Workspace

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("intendant.actions", "intendant.operators", "intendant.checks.rules")
PARTS = [part for package in PACKAGES for part in parts.load(package)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"`make (\w+)`")


def blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, found in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8"))):
            if found[1] == language:
                yield f"{page.name}:{number}", found[2]


def cases(language: str) -> list[object]:
    return [pytest.param(text, id=name) for name, text in blocks(language)]


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_a_part_has_a_summary_and_an_example_that_parses_and_uses_it(part: type):
    assert part.summary.strip()  # type: ignore[attr-defined]
    plan = parse(part.example)  # type: ignore[attr-defined]
    assert parse(print_plan(plan)) == plan
    step = plan.steps[0]
    inside = {s.verb for name in ("operators", "rules") for s in step.get(name) or ()}
    assert part.verb in {step.verb, *inside}  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_of_source_has_a_summary_an_example_and_its_settings_said(kind: str):
    found = source_class(kind)
    example = tomllib.loads(found.example)
    assert found.summary.strip()
    assert example["kind"] == kind
    assert set(example) - {"kind"} <= set(found.settings)
    assert all(text.strip() for text in found.settings.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_generated_parts_of_a_page_are_fresh(page: Path):
    text = page.read_text(encoding="utf-8")
    assert docs.fill(text) == text, "run `make docs`"


def test_every_generated_part_stands_on_some_page():
    used = {m[2] for page in PAGES for m in docs.MADE.finditer(page.read_text(encoding="utf-8"))}
    assert used == set(docs.SECTIONS)


def test_every_verb_operator_and_rule_is_on_the_page_of_the_language():
    text = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    missing = [p.verb for p in PARTS if f"### {p.verb.replace('_', ' ')}\n" not in text]  # type: ignore[attr-defined]
    assert missing == []


def test_every_error_is_on_the_page_of_errors_and_drawn_in_the_tree():
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    found = [getattr(errors, name) for name in errors.__all__ if name[0].isupper()]
    assert [e.code for e in found if f"| `{e.code}` |" not in text] == []
    assert [e.__name__ for e in found if not docs.meaning(e.__name__)] == []
    assert len({e.code for e in found}) == len(found)


@pytest.mark.parametrize("text", cases("intent"))
def test_the_intent_language_on_the_pages_parses(text: str):
    parse(text)


@pytest.mark.parametrize("text", cases("toml"))
def test_the_workspace_files_on_the_pages_are_right(text: str, tmp_path: Path):
    if "[sources.NAME]" in text:
        text = text.replace("NAME", "some")
    (tmp_path / "intendant.toml").write_text(text, encoding="utf-8")
    workspace = Workspace.open(tmp_path)
    for name, config in workspace.sources.items():
        source_class(str(config["kind"]))(name, config, tmp_path)


@pytest.mark.parametrize("text", cases("python"))
def test_the_python_on_the_pages_compiles(text: str):
    compile(text, "page", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path):
    found = LINK.findall(page.read_text(encoding="utf-8"))
    broken = [link for link in found if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_make_target_on_the_pages_exists():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in TARGET.findall(page.read_text(encoding="utf-8"))}
    assert named <= targets


def test_every_agent_owns_a_verb():
    found: list[type[Action]] = list(parts.load("intendant.actions"))
    assert {p.agent for p in found} == set(docs.AGENTS)
