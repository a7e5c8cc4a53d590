"""A model is pulled whole or not at all: cut downloads go on, damaged ones are refused, and a full disk is said."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.model.hub_server import COMMIT, Hub, hub_server
from tests.model.letters import make_letters

from intendant.errors import DiskFull, IntendantError, ModelError, PolicyError, UsageError
from intendant.model.hub import pull

NAME = "team/letters-GGUF"
LIMITED = """
import resource, sys
from pathlib import Path
from intendant.errors import DiskFull
from intendant.model.hub import pull
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    pull("team/letters-GGUF", Path(sys.argv[1]))
except DiskFull as e:
    print(e.message)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_letters(tmp_path_factory.mktemp("hub") / "letters.gguf").read_bytes()


@pytest.fixture
def hub(weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub_server({"letters-q8_0.gguf": weights}) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found


def test_a_model_is_pulled_with_a_note_of_where_it_is_from(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = pull(NAME, tmp_path / "models", watch=lambda done, size: seen.append((done, size)))
    file = tmp_path / "models" / "letters-q8_0.gguf"
    assert file.read_bytes() == weights and out["file"] == str(file) and out["new"] is True
    assert seen[-1] == (len(weights), len(weights))
    note = json.loads(file.with_suffix(".json").read_text())
    sha256 = hashlib.sha256(weights).hexdigest()
    assert note == {"repository": NAME, "commit": COMMIT, "sha256": sha256, "parameters": 214_560}
    assert sorted(p.name for p in file.parent.iterdir()) == ["letters-q8_0.gguf", "letters-q8_0.json"]


def test_a_model_that_is_there_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    pull(NAME, tmp_path)
    assert pull(NAME, tmp_path)["new"] is False and hub.ranges == [None]


def test_a_file_that_is_not_the_hub_s_is_fetched_again(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    (tmp_path / "letters-q8_0.gguf").write_bytes(bytes(len(weights)))
    assert pull(NAME, tmp_path)["new"] is True and (tmp_path / "letters-q8_0.gguf").read_bytes() == weights


def test_a_cut_download_goes_on_where_it_stopped(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    hub.cuts = [300_000, 200_000]
    pull(NAME, tmp_path)
    assert (tmp_path / "letters-q8_0.gguf").read_bytes() == weights
    assert hub.ranges == [None, "bytes=300000-", "bytes=500000-"]


def test_a_hub_that_knows_no_ranges_is_read_from_the_start(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    hub.cuts, hub.honours_ranges = [300_000], False
    pull(NAME, tmp_path)
    assert (tmp_path / "letters-q8_0.gguf").read_bytes() == weights


def test_a_download_that_is_cut_again_and_again_is_kept_for_the_next_pull(
    hub: Hub, weights: bytes, tmp_path: Path
) -> None:
    hub.cuts = [300_000] + [0] * 4
    with pytest.raises(ModelError, match="cut after 300,000 of") as e:
        pull(NAME, tmp_path)
    assert "goes on where it stopped" in e.value.hint and not (tmp_path / "letters-q8_0.gguf").exists()
    hub.ranges.clear()
    pull(NAME, tmp_path)
    assert hub.ranges == ["bytes=300000-"] and (tmp_path / "letters-q8_0.gguf").read_bytes() == weights


def test_a_damaged_download_is_refused_and_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = True
    with pytest.raises(ModelError, match="came damaged"):
        pull(NAME, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_hash_of_one_s_own_decides(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is another file"):
        pull(NAME, tmp_path, sha256="0" * 64)
    assert pull(NAME, tmp_path, sha256=hashlib.sha256(weights).hexdigest().upper())["new"] is True


def test_a_model_larger_than_the_disk_is_not_begun(hub: Hub, tmp_path: Path) -> None:
    hub.size = 10**18
    with pytest.raises(DiskFull, match="are free"):
        pull(NAME, tmp_path)
    assert hub.ranges == []


def test_a_disk_that_fills_up_is_said_and_the_download_goes_on_later(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no space left after 200,000 of")
    pull(NAME, tmp_path)
    assert hub.ranges[-1] == "bytes=200000-" and (tmp_path / "letters-q8_0.gguf").read_bytes() == weights


def test_no_hub_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ModelError, match="no hub is reachable") as e:
        pull("qwen2.5-0.5b", tmp_path)
    assert ".intendant/models/" in e.value.hint and "[model] path" in e.value.hint


def test_a_hub_without_https_is_not_trusted_without_a_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    with pytest.raises(PolicyError, match="no https address"):
        pull(NAME, tmp_path)


def test_the_token_goes_to_the_hub_and_nowhere_else(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    pull(NAME, tmp_path)
    assert hub.tokens == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("status", "message"), [(401, "doesn't give"), (403, "doesn't give"), (404, "has no"), (503, "answers 503")]
)
def test_a_hub_that_refuses_is_said(status: int, message: str, hub: Hub, tmp_path: Path) -> None:
    hub.status = status
    with pytest.raises(ModelError, match=message) as e:
        pull(NAME, tmp_path)
    assert e.value.hint


@pytest.mark.parametrize(
    ("files", "wanted", "chosen"),
    [
        (["m-q2_k.gguf", "m-Q8_0.gguf", "m-f16.gguf"], "", "m-Q8_0.gguf"),
        (["m-q2_k.gguf", "m-q4_k_m.gguf"], "", "m-q4_k_m.gguf"),
        (["m-strange.gguf"], "", "m-strange.gguf"),
        (["m-q8_0.gguf", "m-f16.gguf"], "m-f16.gguf", "m-f16.gguf"),
    ],
)
def test_the_file_is_the_named_or_the_best_known(
    files: list[str], wanted: str, chosen: str, hub: Hub, weights: bytes, tmp_path: Path
) -> None:
    hub.files = dict.fromkeys(files, weights)
    assert Path(str(pull(NAME, tmp_path, file=wanted)["file"])).name == chosen


@pytest.mark.parametrize(
    ("files", "options", "error"),
    [
        (["a-x.gguf", "b-x.gguf"], {}, ModelError),
        (["model.safetensors"], {}, ModelError),
        (["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], {}, ModelError),
        (["m.gguf"], {"file": "n.gguf"}, ModelError),
        (["m.gguf"], {"file": "../m.gguf"}, UsageError),
        (["m.gguf"], {"file": "m.exe"}, UsageError),
        (["m.gguf"], {"revision": "../../x"}, UsageError),
        (["m.gguf"], {"sha256": "abc"}, UsageError),
        (["m.gguf"], {"name": "letters"}, UsageError),
        (["m.gguf"], {"name": "../letters"}, UsageError),
        (["../../evil-q8_0.gguf"], {}, UsageError),
        ([".hidden-q8_0.gguf"], {}, UsageError),
    ],
)
def test_what_can_t_be_told_or_trusted_is_refused(
    files: list[str], options: dict[str, Any], error: type[IntendantError], hub: Hub, weights: bytes, tmp_path: Path
) -> None:
    hub.files = dict.fromkeys(files, weights)
    with pytest.raises(error) as e:
        pull(options.pop("name", NAME), tmp_path / "models", **options)
    assert e.value.hint and hub.ranges == [] and not (tmp_path / "models").exists()


def test_a_whole_file_that_is_no_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"m.gguf": b"a web page, not a model"}
    with pytest.raises(ModelError, match="no whole GGUF file"):
        pull(NAME, tmp_path)
    assert list(tmp_path.iterdir()) == []
