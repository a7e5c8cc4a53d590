"""What is installed is pinned with hashes, and is what pyproject.toml asks for."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_IN_BASE = ("torch", "transformers", "pyspark", "jupyter", "pytest", "mypy")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def pins(file: str) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, version in PIN.findall((ROOT / file).read_text(encoding="utf-8")):
        out.setdefault(canonicalize_name(name), []).append(version)
    return out


def asked() -> dict[str, list[str]]:
    """File -> requirements that it must satisfy."""
    base, groups = PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]
    train, spark = (PROJECT["project"]["optional-dependencies"][extra] for extra in ("train", "spark"))
    dev = [r for r in groups["dev"] if isinstance(r, str)]
    return {"requirements.txt": base + groups["build"], "requirements-dev.txt": base + groups["build"] + dev,
            "requirements-bench.txt": groups["bench"], "requirements-spark.txt": base + spark,
            "requirements-train.txt": base + train, "requirements-train-cpu.txt": base + train}


@pytest.mark.parametrize("file", asked())
def test_a_lock_holds_what_the_project_asks_for(file: str):
    pinned = pins(file)
    for requirement in map(Requirement, asked()[file]):
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"{file} lacks {requirement.name}: run `make lock`"
        assert all(v in requirement.specifier for v in versions), f"{requirement} is pinned to {versions}: run `make lock`"


@pytest.mark.parametrize("file", asked())
def test_every_pin_has_a_hash(file: str):
    blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / file).read_text(encoding="utf-8"))
    assert [b.splitlines()[0] for b in blocks if PIN.match(b) and "--hash=sha256:" not in b] == []


def test_locks_agree_with_each_other():
    base = pins("requirements.txt")
    for file in ("requirements-dev.txt", "requirements-train.txt", "requirements-spark.txt"):
        other = pins(file)
        assert {n: other.get(n) for n in base} == base, f"{file} differs: run `make lock`"


def test_the_base_install_stays_light():
    assert [n for n in NOT_IN_BASE if n in pins("requirements.txt")] == []


def imported() -> Iterator[str]:
    """Top-level names of all packages that the code imports, wherever in a file."""
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield str(node.module).partition(".")[0]


def test_the_base_is_what_the_code_imports_no_more_and_no_less():
    names = set(imported()) - set(sys.stdlib_module_names) - {"intendant"}
    extras = PROJECT["project"]["optional-dependencies"].values()
    optional = {canonicalize_name(Requirement(r).name) for extra in extras for r in extra}
    where = packages_distributions()
    used = {canonicalize_name(where.get(name, [name])[0]) for name in names} - optional
    declared = {canonicalize_name(Requirement(r).name) for r in PROJECT["project"]["dependencies"]}
    assert used == declared
