"""A planner's model made from what people said here: trained on the workspace's examples, scored beside the current one,
and taken into use only when it is not worse.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from sys import stderr

from intendant.catalog import Catalog
from intendant.engines.duckdb import DuckDB
from intendant.errors import IntendantError, ModelError, UsageError, WorkspaceError, did_you_mean
from intendant.language.to_sql import kind_of_type
from intendant.model.choice import models_folder
from intendant.model.reader import READER
from intendant.model.training.catalogs import World, load_worlds
from intendant.model.training.evaluate import Outcome, outcome, shares
from intendant.model.training.generate import Pair, bank, is_held_out
from intendant.model.training.generate import answer as short_answer
from intendant.model.weights import fingerprint
from intendant.operators._compile import Typing
from intendant.planner.memory import GOOD, Example
from intendant.planner.planner import Planner
from intendant.planner.skeleton import still_there
from intendant.types import Json
from intendant.workspace import FILE, Workspace

__all__ = [
    "HERE",
    "Tuning",
    "current",
    "evaluate",
    "model_file",
    "models",
    "own_pairs",
    "train",
    "use",
    "world_of",
    "worse",
    "write_planner",
]

HERE = "this workspace"
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
EMBEDDED = "embedded"
LONGEST_VALUE = 60
CHANCE = 1.645
"""Standard deviations that one-sided chance exceeds once in twenty."""


@dataclass(frozen=True)
class Tuning:
    """How a training goes: at most `minutes` and `steps`, from the file `start` ("": from the current model)."""

    minutes: float = 20.0
    steps: int = 400
    start: str = ""
    seed: int = 1
    threads: int = 2
    base: str = ""
    """A chat model's folder to fine-tune as a reader beside the planner's, instead of the planner's own."""
    rank: int = 16
    """Of its adapters; 0 trains all its weights."""


# ------------------------------------------------------------ which models there are
def models(workspace: Workspace) -> list[str]:
    """Names of the planner's models that were trained here, the newest last."""
    found = models_folder(workspace).glob("*/reader.npz")
    return [p.parent.name for p in sorted(found, key=lambda p: p.stat().st_mtime)]


def current(workspace: Workspace) -> Path:
    """The file of the planner's model in use."""
    which = workspace.model.planner
    return READER if which in ("", EMBEDDED) else workspace.root / which


def model_file(workspace: Workspace, which: str) -> Path:
    """The file that a name, a path or "embedded" means. Raises UsageError."""
    if which == EMBEDDED:
        return READER
    own = models_folder(workspace) / which / "reader.npz"
    if NAME.fullmatch(which) and own.is_file():
        return own
    path = workspace.root / which
    if path.suffix == ".npz" and path.is_file():
        return path
    raise UsageError(
        f"there is no planner's model {which!r}",
        where=str(models_folder(workspace)),
        hint=did_you_mean(which, [EMBEDDED, *models(workspace)], "model"),
    )


# ------------------------------------------------------------ training
def world_of(catalog: Catalog, values: Callable[[str, str], list[str]]) -> World:
    """The workspace as training sees it: its catalog without quarantine, and the values of text columns that have few."""
    tables = {n: t for n, t in catalog.tables.items() if not n.startswith("quarantine.")}
    few: dict[tuple[str, str], list[str]] = {}
    for t in tables.values():
        for c in t.columns:
            if kind_of_type(c.type) == "text":
                try:
                    few[(t.name, c.name)] = [v for v in values(t.name, c.name) if len(v) <= LONGEST_VALUE]
                except IntendantError:  # a table that can't be read teaches no values
                    continue
    return World(HERE, replace(catalog, tables=tables), few)


def own_pairs(examples: Sequence[Example], world: World) -> list[Pair]:
    """The examples that teach how sentences are meant: good ones, about tables that are still so, and that don't depend
    on what was done before or on which tables there were to choose from.
    """
    return [
        Pair(HERE, e.sentence, e.plan)
        for e in examples
        if e.verdict in GOOD and not e.scene and e.tokens and still_there(e.places, world.catalog)
    ]


def train(workspace: Workspace, name: str, own: Sequence[Pair], world: World, tuning: Tuning) -> dict[str, Json]:
    """Trains a model of this name on the bank and these pairs: {"model", "file", "examples", "started_from"}.

    Raises UsageError for a name that can't be or is taken, ModelError where PyTorch or something to start from is missing.
    """
    if not NAME.fullmatch(name) or name == EMBEDDED:
        raise UsageError(f"{name!r} can't be a model's name", hint="Use letters, digits, '-', '_' and '.'.")
    folder = models_folder(workspace) / name
    if folder.exists():
        raise UsageError(f"there is a model {name!r} already", where=str(folder), hint="Choose another name.")
    if tuning.base:
        return train_language(folder, own, world, tuning)
    if not own:
        raise UsageError(
            "there are no examples to learn from",
            where=str(workspace.state),
            hint="They come from plans that you approve, correct or choose: `intendant model memory` shows them.",
        )
    if find_spec("torch") is None:
        raise ModelError("training needs PyTorch, which is not installed", hint="pip install 'intendant[train]'")
    start = start_of(workspace, tuning.start)
    from intendant.model.training.train import Settings
    from intendant.model.training.workspace import tune

    settings = Settings(
        seed=tuning.seed, minutes=tuning.minutes, steps=tuning.steps, threads=tuning.threads, start=str(start),
        encoder_rate=Settings.encoder_rate / 5, decoder_rate=Settings.decoder_rate / 5,
    )  # fmt: skip
    with being_made(folder) as making, redirect_stdout(stderr):
        tune(settings, making, own, world.catalog, world.values)
    return {"model": name, "file": str(folder / "reader.npz"), "examples": len(own), "started_from": str(start)}


def train_language(folder: Path, own: Sequence[Pair], world: World, tuning: Tuning) -> dict[str, Json]:
    """Fine-tunes a chat model: {"model", "file", "examples", "started_from", "loss"}. Raises ModelError."""
    lacking = [p for p in ("torch", "transformers", "safetensors") if find_spec(p) is None]
    if lacking:
        raise ModelError(
            f"training needs {' and '.join(lacking)}, not installed here", hint="pip install 'intendant[train]'"
        )
    if not Path(tuning.base).is_dir():
        hint = "Name the folder of a checkpoint: config.json, weights in safetensors, tokenizer."
        raise ModelError(f"there is no folder {tuning.base!r} to start from", where="--base", hint=hint)
    from intendant.model.training.language import LanguageSettings, tune_language

    settings = LanguageSettings(
        tuning.base, tuning.rank, tuning.steps, tuning.minutes, seed=tuning.seed, threads=tuning.threads
    )
    with being_made(folder) as making, redirect_stdout(stderr):
        card = tune_language(settings, making, own, world.catalog, world.values)
    loss = card["loss"]
    assert isinstance(loss, list)
    return {
        "model": folder.name,
        "file": str(folder),
        "examples": len(own),
        "started_from": tuning.base,
        "loss": loss[-1][1] if loss else None,
    }


@contextmanager
def being_made(folder: Path) -> Iterator[Path]:
    """A folder to write to that takes its place once all is written."""
    making = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def start_of(workspace: Workspace, named: str) -> Path:
    """What to go on from: the file that is named, the checkpoint of the current model, or that model. Raises ModelError."""
    if named:
        path = Path(named)
        if not path.is_file():
            raise ModelError(f"there is no file {named!r} to start from", hint="Name a .pt or .npz file with --start.")
        return path
    now = current(workspace)
    found = [p for p in (now.with_suffix(".pt"), now) if p.is_file()]
    if not found:
        raise ModelError(
            "there is no planner's model to start from", where=str(now), hint="Name one with --start, or `make train`."
        )
    return found[0]


# ------------------------------------------------------------ scoring
def evaluate(workspace: Workspace, which: str, own: Sequence[Pair], world: World, sentences: int) -> dict[str, Json]:
    """Scores of the current model and of `which` ("": the newest trained here, or none) on so many held-out sentences of
    the bank (0: all) and on the workspace's own: {"current", "candidate", "bank", "own", "now_right", "now_wrong", "worse"}.

    The scores are kept beside the candidate, for `use`. Raises UsageError, ModelError.
    """
    known = models(workspace)
    which = which or (known[-1] if known else "")
    before = current(workspace)
    asked = chosen(sentences)
    worlds = {**load_worlds(), HERE: world}
    old = outcomes(before, asked, own, worlds)
    out: dict[str, Json] = {
        "current": named(workspace, before),
        "bank": {"current": shares(old[: len(asked)])},
        "own": {"current": shares(old[len(asked) :])},
    }
    if not which:
        return out
    after = model_file(workspace, which)
    new = outcomes(after, asked, own, worlds)
    out["candidate"] = named(workspace, after)
    out["bank"]["candidate"], out["own"]["candidate"] = shares(new[: len(asked)]), shares(new[len(asked) :])
    out["now_right"], out["now_wrong"] = changed(old, new), changed(new, old)
    out["worse"] = worse(old, new)
    if after != READER:
        kept = {**out, "at": datetime.now(UTC).isoformat(timespec="seconds"), "models": prints(before, after)}
        text = json.dumps(kept, ensure_ascii=False, indent=1) + "\n"
        scores_file(after).write_text(text, encoding="utf-8")
    return out


def chosen(sentences: int) -> list[Pair]:
    """Held-out sentences of the bank, evenly taken."""
    held = [p for i, p in enumerate(bank()) if is_held_out(p, i)]
    return held[:: max(1, len(held) // sentences)][:sentences] if sentences else held


def outcomes(model: Path, asked: Sequence[Pair], own: Sequence[Pair], worlds: Mapping[str, World]) -> list[Outcome]:
    """What a model makes of these sentences, in order."""
    if not model.is_file():
        raise ModelError(f"there is no model file {str(model)!r}", where="model", hint="Train it: `make train`.")
    engine = DuckDB()
    try:
        typing = Typing(engine)
        planner = Planner(model, typing)
        return [outcome(planner, p, worlds[p.catalog], typing) for p in (*asked, *own)]
    finally:
        engine.close()


def good(o: Outcome) -> bool:
    """Whether a sentence ended as it should: with its plan, or asked about or refused where it has none."""
    return o.kind == "right" if short_answer(o.pair.plan) is None else o.kind in ("asked", "refused")


def changed(one: Sequence[Outcome], other: Sequence[Outcome]) -> list[dict[str, Json]]:
    """Sentences that end well in `other` only: [{"catalog", "text", "plan", "was", "is"}]."""
    return [
        {"catalog": b.pair.catalog, "text": b.pair.text, "plan": b.pair.plan, "was": told(a), "is": told(b)}
        for a, b in zip(one, other, strict=True)
        if good(b) and not good(a)
    ]


def told(o: Outcome) -> str:
    """How a sentence ended: `wrong: check orders`, `asked: table`."""
    return o.kind if o.said == o.kind else f"{o.kind}: {o.said}"


def worse(old: Sequence[Outcome], new: Sequence[Outcome]) -> str:
    """Why the second model is worse, "" where it isn't. On the workspace's own sentences none may be lost on balance. On the
    bank's a loss counts from where chance explains it once in twenty times: McNemar's test on the sentences that changed.
    """
    pairs = list(zip(old, new, strict=True))
    own = [(a, b) for a, b in pairs if a.pair.catalog == HERE]
    rest = [(a, b) for a, b in pairs if a.pair.catalog != HERE]
    lost, won = counted(own, good)
    if lost > won:
        return f"of this workspace's sentences it gets {lost} wrong that were right, and {won} right that were wrong"
    lost, won = counted(rest, good)
    if beyond_chance(lost, won):
        return f"of the held-out sentences it gets {lost} wrong that were right, and {won} right that were wrong"
    lost, won = counted(pairs, harmless)
    if beyond_chance(lost, won):
        return f"it would run a wrong plan unasked for {lost} sentences where the current one does not, and no more for {won}"
    return ""


def harmless(o: Outcome) -> bool:
    return o.kind != "wrong" or o.confirm


def counted(pairs: Sequence[tuple[Outcome, Outcome]], well: Callable[[Outcome], bool]) -> tuple[int, int]:
    """(lost, won): what was well and isn't, and the other way round."""
    return sum(well(a) and not well(b) for a, b in pairs), sum(well(b) and not well(a) for a, b in pairs)


def beyond_chance(lost: int, won: int) -> bool:
    return lost > won and (lost - won) > CHANCE * math.sqrt(lost + won)


def named(workspace: Workspace, file: Path) -> str:
    """A model's name as people say it."""
    if file == READER:
        return EMBEDDED
    return file.parent.name if file.parent.parent == models_folder(workspace) else str(file)


def prints(before: Path, after: Path) -> dict[str, str]:
    return {"current": fingerprint(before), "candidate": fingerprint(after)}


def scores_file(model: Path) -> Path:
    return model.with_name(f"{model.stem}.scores.json")


# ------------------------------------------------------------ taking into use
def use(workspace: Workspace, which: str, *, force: bool = False) -> dict[str, Json]:
    """Takes a model into use: {"planner", "before"}. The model of the package always may.

    Raises UsageError for one that was not scored beside the current one, or was worse, unless `force`.
    """
    file, before = model_file(workspace, which), workspace.model.planner
    if file != READER and file != current(workspace) and not force:
        refuse_if_worse(workspace, which, file)
    inside = file.is_relative_to(workspace.root)
    value = EMBEDDED if file == READER else file.relative_to(workspace.root).as_posix() if inside else str(file)
    write_planner(workspace.root / FILE, value)
    return {"planner": value, "before": before}


def refuse_if_worse(workspace: Workspace, which: str, file: Path) -> None:
    mend = f"Score it: `intendant model eval {which}`; or take it all the same with --force."
    try:
        scores = json.loads(scores_file(file).read_text(encoding="utf-8"))
        same, why = scores["models"], str(scores["worse"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"the model {which!r} was not scored yet", where=str(scores_file(file)), hint=mend) from None
    now = current(workspace)
    if not now.is_file() or same != prints(now, file):
        raise UsageError(
            f"the model {which!r} was scored beside another model than the one in use, or has changed since",
            where=str(scores_file(file)),
            hint=mend,
        )
    if why:
        hint = "Give it more examples and train it again; or take it all the same with --force."
        raise UsageError(f"the model {which!r} is worse than the one in use: {why}", where=str(file), hint=hint)


def write_planner(path: Path, value: str) -> None:
    """Sets [model] planner in intendant.toml and leaves every other line as it is. Raises WorkspaceError."""
    text = path.read_text(encoding="utf-8")
    line = f"planner = {json.dumps(value, ensure_ascii=False)}"
    section = re.search(r"(?m)^[ \t]*\[[ \t]*model[ \t]*\][^\n]*(?:\n|\Z)", text)
    if section is None:
        new = f"{text.rstrip()}\n\n[model]\n{line}\n"
    else:
        rest = text[section.end() :]
        end = re.search(r"(?m)^[ \t]*\[", rest)
        body = rest[: end.start()] if end else rest
        has = re.search(r"(?m)^[ \t]*planner[ \t]*=[^\n]*", body)
        body = body[: has.start()] + line + body[has.end() :] if has else f"{line}\n{body}"
        head = text[: section.end()]
        new = (head if head.endswith("\n") else f"{head}\n") + body + (rest[end.start() :] if end else "")
    before = tomllib.loads(text)
    if toml_of(new) != {**before, "model": {**before.get("model", {}), "planner": value}}:
        raise WorkspaceError(f"{FILE} can't be changed here", where=str(path), hint=f"Write into [model]: {line}")
    making = path.with_name(f".{FILE}.part")
    making.write_text(new, encoding="utf-8")
    shutil.copymode(path, making)
    making.replace(path)


def toml_of(text: str) -> Json:
    """What a text says as TOML; None where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
