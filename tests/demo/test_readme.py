"""The README's tour is real: its commands are run on the example workspace, and each shown line is in the output."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND = Path(sys.executable).parent / "intendant"
STATUS = {"drop orders": 4, "transform ordrs filter quantity > 1": 1}


def tour() -> Iterator[tuple[str, list[str]]]:
    """(command, shown lines) in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, [line for line in shown if line != "..."]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples" / "shop", tmp_path / "my_shop"))


def test_every_command_of_the_tour_does_what_the_readme_shows(shop: Path):
    steps = [(command, shown) for command, shown in tour() if command.startswith("intendant ")]
    assert len(steps) >= 5
    for command, shown in steps:
        words = shlex.split(command)[1:]
        done = subprocess.run([str(COMMAND), *words], cwd=shop, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"})
        printed = {line.rstrip() for line in (done.stdout + done.stderr).splitlines()}
        missing = [line for line in shown if not any(line.rstrip() in p for p in printed)]
        assert missing == [], f"{command}\n{done.stdout}{done.stderr}"
        assert done.returncode == STATUS.get(words[-1], 0), command
