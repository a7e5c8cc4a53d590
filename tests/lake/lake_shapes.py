"""The shapes of the fixtures of this folder, and a lake on object storage for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from intendant.lake.open import remote_of
from intendant.lake.remote import Remote
from intendant.lake.store import Grace
from intendant.objects.bucket import Pauses
from intendant.types import Json, Snapshot

Load = Callable[..., Snapshot]
Rows = Callable[..., list[tuple[Json, ...]]]
BOTH = pytest.mark.parametrize("lake", ["local", "s3"], indirect=True)
REMOTE = pytest.mark.parametrize("lake", ["s3"], indirect=True)
SECRET = "a-secret-key-that-nobody-may-see"


def impatient(place: dict[str, Json], folder: Path) -> Remote:
    """A store that waits for nobody and looks at everything anew; its local folders are below `folder`."""
    made = remote_of(place, folder / "lake", folder / "cache")
    made.bucket.pauses = Pauses(4, 0.01, 0.05)
    made.grace, made.recheck = Grace(), 0.0
    return made
