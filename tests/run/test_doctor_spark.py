"""What doctor says of Spark where something is missing: each fault with its mend, none of them by starting Spark."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from intendant.app import Intendant
from intendant.engines import spark_session
from intendant.engines.spark_session import Settings, java_fault
from intendant.errors import EngineError
from intendant.types import Json


def rows(folder: Path, engine: str = "") -> dict[str, dict[str, Json]]:
    Intendant.init(folder).close()
    (folder / "intendant.toml").write_text(f'[engine]\nkind = "spark"\n{engine}\n', encoding="utf-8")
    with Intendant(folder) as app:
        return {r["what"]: r for r in app.doctor()}


def fake_java(folder: Path, said: str, status: int = 0) -> Path:
    """A home of a Java that only says its version."""
    (folder / "bin").mkdir(parents=True)
    java = folder / "bin" / "java"
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit {status}\n", encoding="utf-8")
    java.chmod(0o755)
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """pyspark as if it were there, of the version that the test says."""
    found = {"pyspark": "4.1.4"}
    find, version = spark_session.importlib.util.find_spec, __import__("importlib.metadata").metadata.version
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda n, *a: True if found.get(n) else None if n in found else find(n, *a)
    )
    monkeypatch.setattr("importlib.metadata.version", lambda n: found.get(n) or version(n))
    yield found


@pytest.mark.usefixtures("installed")
def test_no_java_anywhere_is_a_problem_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert rows(tmp_path / "w")["Java"] == {
        "what": "Java", "state": "problem", "detail": "there is no Java, which Spark runs on",
        "mend": "Install Java 17 or newer, or set JAVA_HOME to where it is.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "version"),
    [('openjdk version "11.0.22" 2024-01-16', 11), ('java version "1.8.0_392"', 8)],
)
@pytest.mark.usefixtures("installed")
def test_a_java_that_is_too_old_is_named_with_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, version: int
) -> None:
    home = fake_java(tmp_path / "java", said)
    monkeypatch.setenv("JAVA_HOME", str(home))
    found = rows(tmp_path / "w")["Java"]
    assert found["state"] == "problem" and "Java 17" in found["mend"]
    assert found["detail"] == f"Java is {version}, and Spark needs 17 ({home}/bin/java)"
    monkeypatch.setattr("intendant.engines.spark_session._Shared.session", None)
    if spark_session.importlib.util.find_spec("py4j") is not None:
        with pytest.raises(EngineError) as e:  # and a step says the same, without starting anything
            spark_session.local(Settings(folder=tmp_path))
        assert e.value.message == found["detail"] and e.value.hint == found["mend"]


@pytest.mark.usefixtures("installed")
def test_a_java_home_without_a_java_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    found = rows(tmp_path / "w")["Java"]
    assert (
        found["detail"] == f"JAVA_HOME is {str(tmp_path / 'gone')!r}, where no bin/java is"
        and "set JAVA_HOME" in found["mend"]
    )


@pytest.mark.usefixtures("installed")
def test_a_java_that_fits_is_shown_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "java", 'openjdk version "21.0.2" 2024-01-16')
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert rows(tmp_path / "w")["Java"]["detail"] == f"21, {home}/bin/java" and java_fault() == ""


@pytest.mark.usefixtures("installed")
def test_a_java_that_cannot_run_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "java", "cannot execute", 126)))
    found = rows(tmp_path / "w")["Java"]
    assert found["state"] == "problem" and "doesn't say its version" in found["detail"]


def test_an_absent_pyspark_and_one_of_another_version_are_problems(tmp_path: Path, installed: dict[str, str]) -> None:
    installed["pyspark"] = "3.5.1"
    found = rows(tmp_path / "old")["pyspark"]
    assert (found["state"], found["detail"]) == ("problem", "3.5.1 is installed, and version 4 is needed")
    assert "pip install 'intendant[spark]' --upgrade" in found["mend"]
    installed["pyspark"] = ""
    found = rows(tmp_path / "none")["pyspark"]
    assert found["state"] == "problem" and found["mend"] == "`pip install 'intendant[spark]'`."


def test_a_port_where_nobody_is_and_one_where_somebody_is(tmp_path: Path, installed: dict[str, str]) -> None:
    installed |= dict.fromkeys(("grpc", "grpc_status", "google.protobuf", "pandas", "zstandard"), "1")
    found = rows(tmp_path / "closed", 'url = "sc://127.0.0.1:9/;token=secret"')
    assert found["Spark Connect"]["state"] == "problem"
    assert found["Spark Connect"]["detail"] == "sc://127.0.0.1:9 does not answer: Connection refused"
    assert "sc://host:15002" in found["Spark Connect"]["mend"] and "secret" not in str(found) and "Java" not in found
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listening.accept, daemon=True).start()
        port = listening.getsockname()[1]
        found = rows(tmp_path / "open", f'url = "sc://127.0.0.1:{port}"')
    assert (
        found["Spark Connect"]["detail"] == f"sc://127.0.0.1:{port} answers" and found["Spark Connect"]["state"] == "ok"
    )


def test_a_package_of_the_client_that_is_absent_is_named(tmp_path: Path, installed: dict[str, str]) -> None:
    installed |= {"grpc": "", "zstandard": ""}
    found = rows(tmp_path, 'url = "sc://127.0.0.1:9"')["Spark Connect client"]
    assert found["state"] == "problem" and found["detail"].startswith("grpc, ") and "zstandard" in found["detail"]


def test_a_secret_that_is_not_set_is_named(
    tmp_path: Path, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPARK_TOKEN", raising=False)
    found = rows(tmp_path, 'url = "sc://localhost:9/;token=${SPARK_TOKEN}"')["Spark Connect"]
    assert found["state"] == "problem" and "SPARK_TOKEN is not set" in found["detail"] and "export" in found["mend"]


@pytest.mark.usefixtures("installed")
def test_a_cluster_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    found = rows(tmp_path, 'master = "spark://127.0.0.1:9"')["Spark master"]
    assert found["state"] == "problem" and found["detail"] == "spark://127.0.0.1:9 does not answer: Connection refused"
