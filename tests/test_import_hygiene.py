"""Importing does nothing, and loads nothing that isn't needed yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("confluent_kafka", "dbos", "deltalake", "duckdb", "fastapi", "httpx", "keyring", "numpy", "pandas", "psutil",
         "pyarrow", "sqlalchemy", "torch", "transformers", "xllamacpp")
PROGRAM = "import sys; import {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"


@pytest.mark.parametrize("module", ["intendant", "intendant.faces.cli", "intendant.language", "intendant.demo"])
def test_importing_loads_nothing_heavy_writes_nothing_and_says_nothing(module: str, tmp_path: Path):
    program = PROGRAM.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-B", "-c", program], cwd=tmp_path, capture_output=True, text=True,
                          env={"HOME": str(tmp_path), "PATH": ""}, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")
    assert list(tmp_path.iterdir()) == []
