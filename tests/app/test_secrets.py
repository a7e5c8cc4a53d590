"""A secret goes to the server it is for and nowhere else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.servers.rest import Collection, RestServer

TOKEN, PASSWORD = "canary-token-5d1f0c", "canary-pass-77ab3e"
TOML = """
[sources.api]
kind = "rest"
url = "{url}"
auth = {{ bearer = "${{CANARY_TOKEN}}" }}
resources = {{ events = {{ path = "/events", key = "id" }} }}

[sources.closed]
kind = "rest"
url = "{url}"
auth = {{ bearer = "${{CANARY_TOKEN}}" }}
resources = {{ none = {{ path = "/refused", key = "id" }} }}

[sources.db]
kind = "sql"
url = "postgresql://user:${{CANARY_PASSWORD}}@127.0.0.1:{port}/x?connect_timeout=2"
"""
COMMANDS = (
    ("do", "ingest api.events into events", "--json"),
    ("do", "ingest closed.none into none"),
    ("do", "ingest db.people into people", "--json"),
    ("sources", "--json"),
    ("doctor",),
)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_a_secret_is_in_no_file_and_no_output_of_a_workspace(tmp_path: Path) -> None:
    rows = [{"id": i, "at": "2025-01-01T00:00:00"} for i in range(5)]
    env = {**os.environ, "CANARY_TOKEN": TOKEN, "CANARY_PASSWORD": PASSWORD, "INTENDANT_DEBUG": "1"}
    said = []
    with RestServer({"/events": Collection(rows)}, require=lambda r: r.path != "/refused") as api:
        (tmp_path / "intendant.toml").write_text(TOML.format(url=api.url, port=free_port()), encoding="utf-8")
        (tmp_path / "pipelines").mkdir()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "intendant.faces.cli", *words], cwd=tmp_path, env=env, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for words in COMMANDS
        ]  # fmt: skip
        said = [p.communicate(timeout=60)[0] for p in running]
        assert any(r.headers.get("Authorization") == f"Bearer {TOKEN}" for r in api.asked("/events"))
    assert '"succeeded"' in said[0] and '"failed"' in said[2], said
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert {"journal.sqlite", "runs.sqlite", "resources.json"} <= {f.name for f in files}
    for secret in (TOKEN, PASSWORD):
        assert not [f for f in files if secret.encode() in f.read_bytes()]
        assert not [words for words, out in zip(COMMANDS, said, strict=True) if secret in out]


def test_a_fault_of_ours_writes_no_secret_into_last_error(tmp_path: Path) -> None:
    (tmp_path / "intendant.toml").write_text(TOML.format(url="http://127.0.0.1:1", port=1), encoding="utf-8")
    code = (
        "import sys\n"
        "from intendant.app import Intendant\n"
        "app = Intendant(sys.argv[1])\n"
        "def broken(name, resource=''):\n"
        "    config = app.workspace.source_config(name)\n"
        "    raise ZeroDivisionError('a fault of ours')\n"
        "app.knowledge.path.write_text('{\"api\": {\"config\": \"%s\", \"at\": 9e12, \"resources\": [{\"name\": \"events\", "
        "\"key\": null, \"timestamp\": null, \"columns\": [[\"id\", \"BIGINT\"]]}]}}' % app.knowledge._hash('api'))\n"
        "app.knowledge.source = broken\n"
        "print(app.do('ingest api.events into events').as_dict())\n"
        "app.close()\n"
    )
    env = {**os.environ, "CANARY_TOKEN": TOKEN, "CANARY_PASSWORD": PASSWORD}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, text=True, check=False)
    trace = tmp_path / ".intendant" / "last_error.txt"
    assert trace.is_file(), done.stdout + done.stderr
    assert "a fault of ours" in trace.read_text(encoding="utf-8")
    for f in tmp_path.rglob("*"):
        assert not f.is_file() or TOKEN.encode() not in f.read_bytes(), f
    assert TOKEN not in done.stdout + done.stderr
