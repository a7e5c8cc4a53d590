"""The parts that the language is made of, found by looking at folders: a verb, an operator or a rule is one file.

Each such module defines one class whose `form` is its sentence; the class is found by its base.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil

__all__ = ["load", "names"]


@functools.cache
def names(package: str) -> tuple[str, ...]:
    """The parts of a package, by file name, without importing them; `base` and private files are none."""
    path = importlib.import_module(package).__path__
    return tuple(sorted(m.name for m in pkgutil.iter_modules(path) if m.name != "base" and not m.name.startswith("_")))


@functools.cache
def load(package: str) -> tuple[type, ...]:
    """The one part of every file: the class named in its `__all__` that has a `form`."""
    out = []
    for name in names(package):
        module = importlib.import_module(f"{package}.{name}")
        out += [getattr(module, n) for n in module.__all__ if hasattr(getattr(module, n), "form")]
    return tuple(out)
