"""`intendant model ...`: parse, call, print."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intendant.errors import UsageError
from intendant.faces.options import HERE, AsJson, Folder, printed
from intendant.types import Json

if TYPE_CHECKING:
    from intendant.app import Intendant
    from intendant.model.server.registration import Registration
    from intendant.model.training.catalogs import World
    from intendant.model.training.generate import Pair
    from intendant.workspace import Workspace

__all__ = ["model"]

model = typer.Typer(help="The planner's model, and the language model of agents.", no_args_is_help=True)


def workspace_of(folder: Path) -> Workspace | None:
    """The folder's workspace; where none is named, that of the nearest folder above this one, or None."""
    from intendant.workspace import Workspace

    places = (folder, *Path.cwd().parents) if folder == HERE else ()
    found = next((p for p in places if (p / "intendant.toml").is_file()), None)
    return Workspace.open(found or folder) if found or folder != HERE else None


def _workspace(folder: Path) -> Workspace:
    found = workspace_of(folder)
    if found is None:
        raise UsageError("there is no workspace here", hint="Make one: `intendant init`, or name one with --workspace.")
    return found


def _opened(folder: Path) -> Intendant:
    from intendant.app import Intendant

    return Intendant(_workspace(folder).root)


@model.command("info")
def info(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Which models a workspace uses: size, hash, context, vocabulary, training and scores, and where one is served."""
    from intendant.model.facts import facts

    printed(facts(workspace_of(workspace)), as_json, "show_table")


@model.command("pull")
def pull(
    name: Annotated[
        str, typer.Argument(help="OWNER/REPOSITORY of the Hugging Face hub, or a short name: qwen2.5-0.5b.")
    ],
    workspace: Folder = HERE,
    file: Annotated[str, typer.Option("--file", help="The GGUF file; chosen when left out.")] = "",
    revision: Annotated[str, typer.Option("--revision", help="A branch, a tag or a commit.")] = "main",
    sha256: Annotated[str, typer.Option("--sha256", help="What the file must be; the hub's word when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Download a model into .intendant/models/; what was cut goes on, what is damaged is refused."""
    from intendant.model.choice import models_folder

    found = _workspace(workspace)
    got = _pulled(name, models_folder(found), file, revision, sha256, quiet=as_json or not sys.stderr.isatty())
    printed(got, as_json, "show_table")


def _pulled(name: str, folder: Path, file: str, revision: str, sha256: str, quiet: bool) -> Json:
    from intendant.model.hub import pull as pulled

    if quiet:
        return pulled(name, folder, file=file, revision=revision, sha256=sha256)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pull", total=None)

        def watch(done: int, size: int) -> None:
            bar.update(task, completed=done, total=size)

        return pulled(name, folder, file=file, revision=revision, sha256=sha256, watch=watch)


@model.command("serve")
def serve(
    name: Annotated[str, typer.Argument(help="A GGUF file, or the name of one in .intendant/models/.")] = "",
    workspace: Folder = HERE,
    host: Annotated[str, typer.Option("--host", help="Another than this machine needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one and says which.")] = 8384,
    key: Annotated[
        str,
        typer.Option(
            "--key", help="What clients must send; better in INTENDANT_MODEL_KEY.", envvar="INTENDANT_MODEL_KEY"
        ),
    ] = "",
    slots: Annotated[int, typer.Option("--slots", help="Requests that run at once.")] = 4,
    queue: Annotated[int, typer.Option("--queue", help="Requests that may wait; the next gets 429.")] = 32,
    context: Annotated[
        int, typer.Option("--context", help="Tokens of a request with its answer; 0: the model's, at most 4096.")
    ] = 0,
    threads: Annotated[int, typer.Option("--threads", help="0: by the model's size.")] = 0,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds from a request to the end of its answer.")
    ] = 300.0,
    body: Annotated[int, typer.Option("--body", help="Largest request, in bytes.")] = 1_000_000,
    grace: Annotated[float, typer.Option("--grace", help="Seconds that running requests get after SIGTERM.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Serve a model to OpenAI's clients, until stopped; a model that is served here already is not loaded twice."""
    from intendant.model.server.gateway import Limits
    from intendant.model.server.service import Service
    from intendant.model.server.service import serve as served

    service = Service(host, port, key, context, threads, grace, Limits(slots, queue, body, timeout))
    already = served(_file(name, workspace), service, ready=lambda found: _said(found, False, as_json))
    if already:
        _said(already, True, as_json)


def _file(which: str, folder: Path) -> Path:
    """The file that is meant. Raises UsageError, ModelError."""
    from intendant.model.choice import language_model, models_folder

    found = workspace_of(folder)
    if which and found and "/" not in which:
        for name in (which, f"{which}.gguf"):
            if (models_folder(found) / name).is_file():
                return models_folder(found) / name
    path = Path(which) if which else language_model(found) if found else None
    if path is None:
        raise UsageError(
            "which model to serve is not said",
            hint="Name a GGUF file, or get one into the workspace: `intendant model pull qwen2.5-0.5b`.",
        )
    return path


def _said(found: Registration, already: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"serving": found.url, "already": already, **asdict(found)}), flush=True)
        return
    verb = f"is served already, by process {found.pid}, at" if already else "is served at"
    print(f"{found.name} {verb} {found.url}/v1{' (with a key)' if found.key else ''}", flush=True)


Model = Annotated[str, typer.Argument(help="A name in .intendant/models/, a .npz file, or embedded.")]


@model.command("memory")
def memory(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """The sentences and plans that were approved, corrected, chosen or rejected here, and the answers to questions."""
    from intendant.planner.pattern import pattern_text

    kept = _opened(workspace).memory
    examples = [
        {"number": e.id, "verdict": e.verdict, "sentence": e.sentence, "plan": e.plan, "form": pattern_text(e.pattern),
         "at": e.at, "run": e.run}
        for e in kept.examples()
    ]  # fmt: skip
    if as_json:
        printed({"examples": examples, "answers": kept.answers()}, as_json, "show_table")
        return
    printed(examples, as_json, "show_list")
    if kept.answers():
        printed(kept.answers(), as_json, "show_list")


@model.command("forget")
def forget(
    number: Annotated[int | None, typer.Argument(help="The example's number, as `model memory` shows it.")] = None,
    workspace: Folder = HERE,
    everything: Annotated[bool, typer.Option("--all", help="All examples and answers; a damaged file too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget an example, or everything that was remembered."""
    if (number is None) == (not everything):
        raise UsageError("what to forget is not said", hint="Give an example's number, or --all.")
    kept = _opened(workspace).memory
    gone = kept.forget(number)
    if number is not None and not gone:
        raise UsageError(f"there is no example {number}", hint="`intendant model memory` shows the numbers.")
    printed({"forgotten": gone}, as_json, "show_made")


def _own(folder: Path) -> tuple[Workspace, list[Pair], World]:
    """The workspace, its examples as training pairs, and its catalog as training sees it."""
    from intendant.model.feedback import own_pairs, world_of

    intendant = _opened(folder)
    world = world_of(intendant.knowledge.learn_all(), intendant.values)
    return intendant.workspace, own_pairs(intendant.memory.examples(), world), world


@model.command("train")
def train(
    name: Annotated[str, typer.Argument(help="What the model shall be called.")],
    workspace: Folder = HERE,
    minutes: Annotated[float, typer.Option("--minutes", help="It ends at the latest after these.")] = 20.0,
    steps: Annotated[int, typer.Option("--steps", help="It ends after these, of 48 sentences each.")] = 400,
    start: Annotated[
        str, typer.Option("--start", help="A .pt or .npz file to go on from; else the model in use.")
    ] = "",
    base: Annotated[
        str, typer.Option("--base", help="A chat model's folder (Qwen2.5-0.5B-Instruct): fine-tune that one.")
    ] = "",
    rank: Annotated[int, typer.Option("--rank", help="With --base: of its LoRA adapters; 0 trains all weights.")] = 16,
    seed: Annotated[int, typer.Option("--seed", help="The same data in the same order.")] = 1,
    threads: Annotated[int, typer.Option("--threads", help="Cores to use.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Train the planner's model on with this workspace's examples, or a chat model with --base; needs the extra `train`."""
    from intendant.model.feedback import Tuning
    from intendant.model.feedback import train as trained

    found, own, world = _own(workspace)
    printed(
        trained(found, name, own, world, Tuning(minutes, steps, start, seed, threads, base, rank)),
        as_json,
        "show_table",
    )


@model.command("eval")
def evaluate(
    name: Model = "",
    workspace: Folder = HERE,
    sentences: Annotated[int, typer.Option("--sentences", help="Held-out sentences of the bank; 0: all.")] = 300,
    as_json: AsJson = False,
) -> None:
    """Score the model in use and another one, the newest trained here by default, side by side; tell what changed."""
    from intendant.model.feedback import evaluate as evaluated

    found, own, world = _own(workspace)
    scores = evaluated(found, name, own, world, sentences)
    if as_json:
        printed(scores, as_json, "show_table")
        return
    names = [n for n in ("current", "candidate") if n in scores]
    for kind, title in (("bank", "held-out sentences"), ("own", "this workspace")):
        rows = [{title: f"{scores[n]} ({n})", **scores[kind][n]} for n in names]
        printed(rows, as_json, "show_list")
    for key in ("now_right", "now_wrong"):
        if scores.get(key):
            printed([{key.replace("_", " "): c["text"], **c} for c in scores[key]], as_json, "show_list")
    if "worse" in scores:
        said = scores["worse"] or f"no; take it: `intendant model use {scores['candidate']}`"
        printed({"worse than the current": said}, as_json, "show_table")


@model.command("use")
def use(
    name: Annotated[str, typer.Argument(help="A name in .intendant/models/, a .npz file, or embedded.")],
    workspace: Folder = HERE,
    force: Annotated[bool, typer.Option("--force", help="Though it is worse, or was not scored.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a planner's model into use: `[model] planner` of intendant.toml."""
    from intendant.model.feedback import use as used

    printed(used(_workspace(workspace), name, force=force), as_json, "show_made")
