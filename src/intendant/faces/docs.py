"""Fills the generated parts of the pages from the code that they describe, so that a page can't tell another story.

A page says where: `<!-- made: verbs -->` up to `<!-- end -->`. `python -m intendant.faces.docs docs README.md` fills in
all pages given, and the pages of the folders given.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from intendant import errors
from intendant.actions.base import Action
from intendant.checks.rules.base import RuleKind
from intendant.language import grammar, parts
from intendant.language.functions import FUNCTIONS, MOMENTS
from intendant.objects.cold_place import Storage
from intendant.objects.place import LakePlace
from intendant.operators.base import Operator
from intendant.sources import kinds, source_class
from intendant.workspace import Control, Engine, Model, Policy, Thresholds

__all__ = ["SECTIONS", "fill", "main", "pages"]

MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
AGENTS = ("ingestion", "quality", "transformation", "storage", "optimization")


def shown_form(form: str) -> str:
    """A part's notation for people: `<target:table>` is TARGET, named choices lose their name."""
    plain = re.sub(r"<(\w+):\w+>", lambda m: m[1].upper(), form)
    return re.sub(r"\):\w+", ")", plain).replace("( ", "(").replace(" )", ")")


def entry(part: type[Action] | type[Operator] | type[RuleKind]) -> str:
    name = part.verb.replace("_", " ")
    summary = part.summary.replace("<", "\\<")
    return f"### {name}\n{summary}\n\n```\n{shown_form(part.form)}\n```\nFor example `{part.example}`\n"


def verbs() -> str:
    found: list[type[Action]] = list(parts.load("intendant.actions"))
    ordered = sorted(found, key=lambda p: (AGENTS.index(p.agent), p.verb))
    return "\n".join(entry(p).replace("\n", f"\n*{p.agent}* — ", 1) for p in ordered)


def operators() -> str:
    return "\n".join(map(entry, parts.load("intendant.operators")))


def rules() -> str:
    return "\n".join(map(entry, parts.load("intendant.checks.rules")))


def arguments() -> str:
    return table(("argument", "what it is"), ((k.name, k.help) for k in grammar().kinds.values()))


def functions() -> str:
    found = (*FUNCTIONS.values(), *MOMENTS)
    return table(("function", "gives"), ((f"`{f.form}`", f.summary) for f in found))


def sources() -> str:
    out = []
    for kind in kinds():
        cls = source_class(kind)
        settings = table(("setting", "what it is"), ((f"`{k}`", v) for k, v in cls.settings.items()))
        out.append(f"## {kind}\n{cls.summary}.\n\n```toml\n[sources.NAME]\n{cls.example}\n```\n{settings}")
    return "\n".join(out)


def settings() -> str:
    out = []
    for cls in (Policy, Thresholds, Engine, Model, LakePlace, Control, Storage):
        rows = ((f"`{f.name}`", f"`{json.dumps(getattr(cls(), f.name))}`") for f in dataclasses.fields(cls))
        out.append(f"{cls.__doc__}\n\n{table(('setting', 'default'), rows)}")
    return "\n".join(out)


def commands() -> str:
    """Every command of the command line with its arguments and options, as typer knows them."""
    from intendant.faces.cli import app

    return "\n".join(described("intendant", typer.main.get_command(app)))


def described(path: str, command: Any) -> Iterator[str]:
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from described(f"{path} {name}", inner)
    if hasattr(command, "commands"):
        return
    given = [p for p in command.params if p.name not in ("workspace", "as_json", "help")]
    words = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in given if p.param_type_name == "argument"]
    options = [p for p in given if p.param_type_name == "option"]
    rows: list[tuple[str, ...]] = [(f"`{'`, `'.join(p.opts)}`", p.help or "") for p in options]
    yield f"### {path}\n{command.help}\n\n```\n{' '.join([path, *words])}\n```\n"
    if rows:
        yield table(("option", "what it does"), rows)


def routes() -> str:
    """What the HTTP service answers, as its module says."""
    from intendant.faces import http

    said = re.findall(r"^ *((?:GET|POST) .*)$", str(http.__doc__), re.MULTILINE)
    return "```\n" + "\n".join(said) + "\n```\n"


def error_codes() -> str:
    found = [getattr(errors, name) for name in errors.__all__ if name[0].isupper()]
    rows = ((f"`{e.code}`", e.__name__, "yes" if e.retry else "no", meaning(e.__name__)) for e in found)
    return table(("code", "exception", "retried", "meaning"), sorted(rows))


def meaning(name: str) -> str:
    """What the tree in the docstring of errors.py says about an error."""
    found = re.search(rf"^ *{name} +(.*)$", str(errors.__doc__), re.MULTILINE)
    return re.sub(r" +\(retry[^)]*\)$", "", found[1]) if found else ""


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |\n" for line in lines)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "verbs": verbs,
    "operators": operators,
    "rules": rules,
    "arguments": arguments,
    "functions": functions,
    "sources": sources,
    "settings": settings,
    "errors": error_codes,
    "commands": commands,
    "routes": routes,
}


def fill(text: str) -> str:
    """A page's text with its generated parts made anew. KeyError for a part that there isn't."""
    return MADE.sub(lambda m: f"{m[1]}{SECTIONS[m[2]]()}{m[3]}", text)


def pages(places: list[Path]) -> list[Path]:
    """The Markdown files among the places and in the folders among them."""
    return [page for place in places for page in (sorted(place.glob("*.md")) if place.is_dir() else [place])]


def main() -> None:
    """Fills the pages named on the command line."""
    for page in pages([Path(p) for p in sys.argv[1:]]):
        old = page.read_text(encoding="utf-8")
        new = fill(old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(page)


if __name__ == "__main__":
    main()
