"""Cases are titled text files: tests/cases/NAME.intent. Adding a case needs no Python.

    ## a title that says what holds
    the text, over as many lines as it needs
    ---- prints | fails | same | ...
    what is expected

A file's head, before the first `##`, says what its outcomes mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["Case", "cases"]

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    title: str
    text: str
    outcome: str
    expected: str


def cases(name: str) -> list[pytest.param]:  # type: ignore[valid-type]
    """The cases of a file, as parameters named by their titles."""
    out = []
    for part in re.split(r"^## ", (FOLDER / f"{name}.intent").read_text(encoding="utf-8"), flags=re.M)[1:]:
        title, _, rest = part.partition("\n")
        text, outcome, expected = re.split(r"^---- (\w+)\n", rest.rstrip("\n") + "\n", flags=re.M)
        case = Case(title.strip(), text.rstrip("\n"), outcome, expected.rstrip("\n"))
        out.append(pytest.param(case, id=case.title))
    return out
