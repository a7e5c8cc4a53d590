"""Gets a model's file from the Hugging Face hub by https: what was cut goes on where it stopped, what is damaged is refused."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from intendant.errors import DiskFull, ModelError, PolicyError, UsageError
from intendant.model.weights import fingerprint, read_weights
from intendant.types import Json

if TYPE_CHECKING:
    import httpx

__all__ = ["KNOWN", "pull"]

KNOWN = {"qwen2.5-0.5b": ("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q8_0.gguf")}
"""Short names: repository and file."""
PREFERRED = ("q8_0", "q4_k_m", "f16")
"""Of a repository's files, in this order, when none is named."""
HUB = "https://huggingface.co"
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
REVISION = re.compile(r"[\w./-]+", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}")
PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
LOCAL = ("127.0.0.1", "localhost", "::1")
TRIES = 4
"""In a row without a single new byte."""
NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """One file of the hub, as the hub describes it. `size` in bytes."""

    repository: str
    commit: str
    file: str
    size: int
    sha256: str


def pull(
    name: str,
    folder: Path,
    *,
    file: str = "",
    revision: str = "main",
    sha256: str = "",
    watch: Watch = lambda done, size: None,
) -> dict[str, Json]:
    """Downloads a GGUF file into the folder: {"file", "bytes", "sha256", "repository", "commit", "new"}.

    `name` is a short name or OWNER/REPOSITORY. The hub is HF_ENDPOINT, its token HF_TOKEN. A file that is there and
    whole is not fetched again. Raises ModelError, DiskFull, PolicyError, UsageError.
    """
    import httpx

    hub = hub_address(sha256)
    repository, file = named(name, file, revision, sha256)
    token = os.environ.get("HF_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(follow_redirects=True, timeout=30, headers={**headers, "Accept-Encoding": "identity"}) as client:
        wanted = found(client, hub, repository, revision, file, sha256)
        target = folder / wanted.file
        new = not (target.is_file() and target.stat().st_size == wanted.size and fingerprint(target) == wanted.sha256)
        if new:
            address = f"{hub}/{repository}/resolve/{wanted.commit}/{quote(wanted.file)}"
            fetch(client, address, wanted, target, folder, watch)
    note = {
        "repository": repository,
        "commit": wanted.commit,
        "sha256": wanted.sha256,
        "parameters": read_weights(target).parameters,
    }
    target.with_suffix(".json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return {"file": str(target), "bytes": wanted.size, **note, "new": new}


def hub_address(sha256: str) -> str:
    """The hub's address. Raises PolicyError for one that anybody on the way could answer for."""
    hub = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    parts = urlsplit(hub)
    if parts.scheme != "https" and parts.hostname not in LOCAL and not sha256:
        raise PolicyError(
            f"{hub!r} is no https address, and no hash is given",
            where="HF_ENDPOINT",
            hint="Use https, or say what the file must be: --sha256.",
        )
    return hub


def named(name: str, file: str, revision: str, sha256: str) -> tuple[str, str]:
    """Repository and file of a name. Raises UsageError."""
    repository, known = KNOWN.get(name.lower(), (name, ""))
    file = file or known
    if not REPOSITORY.fullmatch(repository) or ".." in repository:
        short = ", ".join(KNOWN)
        raise UsageError(
            f"{name!r} names no model", hint=f"Give OWNER/REPOSITORY of the hub, or a short name: {short}."
        )
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise UsageError(f"{revision!r} is no revision", where="--revision", hint="Give a branch, a tag or a commit.")
    if sha256 and not SHA256.fullmatch(sha256.lower()):
        raise UsageError(f"{sha256!r} is no SHA-256", where="--sha256", hint="It has 64 hexadecimal digits.")
    if file:
        check_file(file, "--file")
    return repository, file


def check_file(file: str, where: str) -> None:
    if Path(file).name != file or file.startswith(".") or "\\" in file or not file.endswith(".gguf"):
        raise UsageError(f"{file!r} is no GGUF file's name", where=where, hint="Give a plain name that ends in .gguf.")
    if PART.search(file):
        raise UsageError(f"{file!r} is one part of several", where=where, hint="Choose a model in one file.")


def found(client: httpx.Client, hub: str, repository: str, revision: str, file: str, sha256: str) -> Wanted:
    """What the hub says of the file. Raises ModelError with the mend."""
    address = f"{hub}/api/models/{repository}/revision/{quote(revision, safe='')}?blobs=true"
    said = asked(client, hub, repository, address)
    try:
        listed = {str(s["rfilename"]): s for s in said["siblings"]}
        commit = str(said["sha"])
        chosen = file or preferred(repository, list(listed))
        check_file(chosen, repository)
        if chosen not in listed:
            there = ", ".join(sorted(n for n in listed if n.endswith(".gguf"))) or "none"
            raise ModelError(f"{repository} has no file {chosen!r}", where=hub, hint=f"Its GGUF files: {there}.")
        large = listed[chosen].get("lfs") or {}
        size = int(large.get("size") or listed[chosen]["size"])
        digest = str(large.get("sha256") or "").lower()
    except (KeyError, TypeError, ValueError):
        raise ModelError(
            f"what the hub says of {repository} can't be read", where=address, hint="Is HF_ENDPOINT a hub?"
        ) from None
    wanted = sha256.lower() or digest
    if sha256 and digest and digest != wanted:
        raise ModelError(
            f"the hub's {chosen!r} is another file: its SHA-256 is {digest}",
            where=hub,
            hint="Check --sha256 and --revision.",
        )
    if not SHA256.fullmatch(wanted) or not REVISION.fullmatch(commit) or size < 1:
        raise ModelError(
            f"the hub doesn't say what {chosen!r} must be", where=address, hint="Say it yourself: --sha256."
        )
    return Wanted(repository, commit, chosen, size, wanted)


def asked(client: httpx.Client, hub: str, repository: str, address: str) -> Json:
    import httpx

    try:
        answer = client.get(address)
    except httpx.TransportError as e:
        raise unreachable(hub, type(e).__name__) from None
    refuse(answer.status_code, hub, repository)
    try:
        return answer.json()
    except ValueError:
        raise ModelError(
            "the hub's answer is not JSON", where=address, hint="Is HF_ENDPOINT a hub, or a login page in between?"
        ) from None


def unreachable(hub: str, why: str) -> ModelError:
    return ModelError(
        f"no hub is reachable ({why})",
        where=hub,
        hint='Copy a GGUF file into .intendant/models/ and name it: [model] path = ".intendant/models/FILE.gguf" in '
        "intendant.toml; or set HF_ENDPOINT to a mirror. The planner's own model is in the package and needs no hub.",
    )


def refuse(status: int, hub: str, repository: str) -> None:
    if status in (401, 403):
        raise ModelError(
            f"the hub doesn't give {repository} to everybody", where=hub, hint="Accept its terms there, set HF_TOKEN."
        )
    if status == 404:
        raise ModelError(f"the hub has no {repository} in this revision", where=hub, hint="Check name and --revision.")
    if status >= 400:
        raise ModelError(
            f"the hub answers {status}", where=hub, hint="Try again later, or set HF_ENDPOINT to a mirror."
        )


def preferred(repository: str, files: list[str]) -> str:
    """The file to take when none is named. Raises ModelError when that can't be told."""
    models = sorted(f for f in files if f.endswith(".gguf") and not PART.search(f))
    for mark in PREFERRED:
        for file in models:
            if mark in file.lower():
                return file
    if len(models) == 1:
        return models[0]
    there = ", ".join(models) or "It has no GGUF file in one piece"
    raise ModelError(f"which file of {repository} is meant can't be told", hint=f"Choose with --file: {there}.")


def fetch(client: httpx.Client, address: str, wanted: Wanted, target: Path, folder: Path, watch: Watch) -> None:
    """Downloads, checks and puts into place; what is unfinished stays beside it under a name of its own."""
    part = folder / f".{wanted.file}.{wanted.sha256[:16]}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        have = part.stat().st_size if part.exists() else 0
        room(folder, wanted.size - have, wanted.file)
        download(client, address, wanted, part, watch)
    except OSError as e:
        if e.errno not in NO_ROOM:
            raise ModelError(
                f"{wanted.file!r} can't be written: {e.strerror}", where=str(folder), hint="Look at its rights."
            ) from None
        raise no_room(folder, wanted.size, part) from None
    if fingerprint(part) != wanted.sha256:
        part.unlink()
        raise ModelError(
            f"{wanted.file!r} came damaged: its SHA-256 is not {wanted.sha256}",
            where=address,
            hint="Pull again; if it stays so, the mirror's file is not the hub's.",
        )
    try:
        read_weights(part)
    except ModelError:
        part.unlink()
        raise ModelError(
            f"{wanted.file!r} is no whole GGUF file", where=address, hint="Choose another with --file."
        ) from None
    part.replace(target)


def room(folder: Path, needed: int, file: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFull(
            f"{file!r} needs {needed:,} more bytes, {free:,} are free",
            where=str(folder),
            hint="Free some space, or choose a smaller file with --file.",
        )


def no_room(folder: Path, size: int, part: Path) -> DiskFull:
    have = part.stat().st_size if part.exists() else 0
    return DiskFull(
        f"no space left after {have:,} of {size:,} bytes",
        where=str(folder),
        hint="Free some space and pull again: it goes on where it stopped.",
    )


def download(client: httpx.Client, address: str, wanted: Wanted, part: Path, watch: Watch) -> None:
    """Appends to the part until it is whole; tries again as long as bytes come. Raises ModelError, OSError."""
    import httpx

    idle, why = 0, ""
    while (have := part.stat().st_size if part.exists() else 0) < wanted.size:
        try:
            append(client, address, wanted, part, have, watch)
            why = "the answer was too short"
        except httpx.TransportError as e:
            why = type(e).__name__
        idle = 0 if part.exists() and part.stat().st_size > have else idle + 1
        if idle >= TRIES:
            raise ModelError(
                f"the connection was cut after {have:,} of {wanted.size:,} bytes ({why})",
                where=address,
                hint="Pull again: it goes on where it stopped.",
            )
        time.sleep(0.1 * 2**idle if idle else 0)


def append(client: httpx.Client, address: str, wanted: Wanted, part: Path, have: int, watch: Watch) -> None:
    headers = {"Range": f"bytes={have}-"} if have else {}
    with client.stream("GET", address, headers=headers) as answer:
        refuse(answer.status_code, address, wanted.repository)
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with part.open("ab" if goes_on else "wb") as out:
            done = have if goes_on else 0
            for block in answer.iter_raw():  # blocks of a fixed size would be lost half full when it is cut
                done += len(block)
                if done > wanted.size:
                    break  # more than was said: the hash decides
                out.write(block)
                watch(done, wanted.size)
