"""The shapes of the fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable

from intendant.types import Json, Snapshot

Load = Callable[..., Snapshot]
Rows = Callable[..., list[tuple[Json, ...]]]
