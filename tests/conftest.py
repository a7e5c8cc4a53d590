"""What all tests share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# The PostgreSQL of the tests locks a file of one name for all users of a machine: each user gets a folder for it.
runtime = Path(tempfile.gettempdir()) / f"intendant-tests-{os.getuid()}"
(runtime / "python_PostgresServer").mkdir(mode=0o700, parents=True, exist_ok=True)
os.environ["XDG_RUNTIME_DIR"] = str(runtime)
