"""The frames, one file for each family of verbs; a new file here is a new frame."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from intendant.planner.frames.frame import Frame

__all__ = ["frames"]


@functools.cache
def frames() -> tuple[Frame, ...]:
    """All frames, by the name of their file."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(f"{__name__}.{n}") for n in names)
    return tuple(frame for module in modules for frame in module.FRAMES)
