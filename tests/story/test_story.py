"""The life of one intent, as docs/intent.md tells it: every block of that page, run in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "intent.md"


def blocks() -> list[tuple[int, str]]:
    """(line, code) of the page's Python blocks."""
    text = PAGE.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start(1)), m.group(1)) for m in re.finditer(r"```python\n(.*?)```", text, re.S)]


def test_the_story_has_its_chapters() -> None:
    assert len(blocks()) >= 10


def test_the_story_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    try:
        for line, code in blocks():
            exec(compile("\n" * line + code, str(PAGE), "exec"), names)  # the page is ours; its lines show in tracebacks
    finally:
        app = names.get("app")
        if app is not None:
            app.close()  # type: ignore[attr-defined]
