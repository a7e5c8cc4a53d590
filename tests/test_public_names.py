"""Every module says what it is and which of its names are for others."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
FILES = sorted((SOURCE / "intendant").rglob("*.py"))
TRAINS = importlib.util.find_spec("torch") is not None
"""Whether the extra `train` is installed: modules that train can be imported with it only."""


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def private(file: Path) -> bool:
    return file.stem.startswith("_") and file.stem != "__init__"


def defines(tree: ast.Module) -> bool:
    """Whether a module has anything but its docstring."""
    return len(tree.body) > 1


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_opens_with_its_idea(file: Path):
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{file} has no docstring"


@pytest.mark.parametrize("file", [f for f in FILES if not private(f)], ids=name_of)
def test_a_module_names_what_it_exports_and_has_it(file: Path):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = exported(tree)
    if names is None:
        assert not defines(tree), f"{file} has no __all__"
        return
    assert len(names) == len(set(names)), "a name stands twice in __all__"
    name = name_of(file)
    if name.startswith("intendant.model.training") and not TRAINS:
        return
    module = importlib.import_module(name)
    missing = [n for n in names if not hasattr(module, n)]
    assert not missing, f"{name}.__all__ has names that aren't there: {missing}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_is_short_enough_to_read(file: Path):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 500
