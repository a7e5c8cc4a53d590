"""Spark Connect against a real server, which the test starts from pyspark's own jars: results, and everything that can be wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engines.spark_bench import MISSING, asked_at_once, killed_while_writing, numbers_table

from intendant.app import Intendant
from intendant.engines import spark_session
from intendant.engines.duckdb import DuckDB
from intendant.engines.spark import Spark
from intendant.engines.spark_session import Settings
from intendant.errors import EngineError

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(r"ignore:\[RETRIES_EXCEEDED\]"),
]
TOKEN = "a token that no error shows"
ENGINE = """[engine]
kind = "spark"
url = "sc://localhost:{port}/;token=${{SPARK_TOKEN}}"
checks_from_rows = 1
options = {{ "spark.sql.shuffle.partitions" = "2" }}
"""


@dataclass
class Server:
    """A Spark Connect server in a process group of its own."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        import pyspark

        home = Path(pyspark.__file__).parent
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.local.dir": str(self.folder),
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        }
        said = [x for k, v in settings.items() for x in ("--conf", f"{k}={v}")]
        main = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
        log = self.folder / f"server-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(home / "bin" / "spark-submit"), "--master", "local[2]", *said, *main],
                stdout=out, stderr=out, cwd=self.folder, start_new_session=True,
                env={**os.environ, "SPARK_HOME": str(home), "SPARK_CONNECT_AUTHENTICATE_TOKEN": TOKEN},
            )  # fmt: skip
        for _ in range(3000):
            found = re.search(r"SparkConnectService' on port (\d+)", log.read_text(errors="replace"))
            if found:
                self.port = int(found[1])
                return
            assert self.process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.1)
        raise AssertionError("the server didn't start")

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def shop(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Intendant]:
    if server.process is None:
        server.start()
    monkeypatch.setenv("SPARK_TOKEN", TOKEN)
    Intendant.init(tmp_path).close()
    (tmp_path / "intendant.toml").write_text(ENGINE.format(port=server.port), encoding="utf-8")
    with Intendant(tmp_path) as app:
        app.load(numbers_table(tmp_path, 30_000), "numbers")
        yield app


def test_a_pipeline_and_its_checks_run_at_a_server(shop: Intendant) -> None:
    plan = "transform numbers filter v > 10 group by g: sum v as total, count as n sort by g into sums"
    done = shop.do(plan, approve=True)
    assert (done.status, done.error) == ("succeeded", None)
    shop.engine.worker, worker = None, shop.engine.worker
    assert shop.do(plan.replace("into sums", "into twin"), approve=True).status == "succeeded"
    shop.engine.worker = worker
    assert shop.sql("SELECT * FROM sums")["rows"] == shop.sql("SELECT * FROM twin")["rows"]
    checked = shop.do("check numbers for v between 0 and 29000, unique id, unique g on failure warn", approve=True)
    assert [f["evidence"] for f in checked.findings] == [
        "999 of 30000 rows break `v between 0 and 29000`, e.g. 29001, 29002, 29003.",
        "29993 of 30000 rows break `unique g`, e.g. 0, 1, 2.",
    ]
    assert shop.do("query sums top 1 by total").answer["columns"] == ["g", "total", "n"]


def test_a_server_that_dies_while_it_writes_leaves_the_table_and_the_next_try_works(
    shop: Intendant, server: Server
) -> None:
    before = shop.show("numbers")["version"]
    with killed_while_writing(shop.workspace.root, server.kill):
        failed = shop.do("transform numbers derive w = v * 2 sort by w descending", approve=True)
    assert (failed.status, failed.error["code"]) == ("failed", "engine")
    assert failed.error["message"] == "the Spark Connect server does not answer any more"
    assert failed.error["where"] == f"sc://localhost:{server.port}" and "run it again" in failed.error["hint"]
    assert shop.show("numbers")["version"] == before
    away = shop.do("transform numbers derive w = v * 2", approve=True)
    assert away.status == "failed" and "Connection refused" in away.error["message"]
    server.start()
    again = shop.do("transform numbers derive w = v * 2", approve=True)
    assert (again.status, again.error) == ("succeeded", None)
    assert shop.sql("SELECT sum(w) FROM numbers")["rows"] == [[2 * sum(range(30_000))]]


def refused(url: str, folder: Path) -> EngineError:
    duckdb = DuckDB()
    spark = Spark(duckdb, Settings(url=url, folder=folder))
    try:
        with pytest.raises(EngineError) as e:
            spark.rows("SELECT 1 AS one", {})
    finally:
        spark.close()
        duckdb.close()
    assert TOKEN not in f"{e.value}" and "token=" not in e.value.where
    return e.value


@pytest.mark.parametrize("given", ["", "/;token=wrong"])
def test_a_wrong_token_is_said_to_be_wrong_without_showing_it(server: Server, tmp_path: Path, given: str) -> None:
    if server.process is None:
        server.start()
    error = refused(f"sc://localhost:{server.port}{given}", tmp_path)
    assert error.message == "the Spark Connect server refuses the token, or wants one"
    assert "${SPARK_TOKEN}" in error.hint and error.where == f"sc://localhost:{server.port}"


def test_nobody_at_the_port_is_said_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    error = refused(f"sc://127.0.0.1:9/;token={TOKEN}", tmp_path)
    assert "Connection refused" in error.message and "sc://host:15002" in error.hint
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("url", ["sc://", "sc://:15002", "sc://host:port", "sc://host:15002/path"])
def test_an_address_that_is_none_is_said_to_be_none(tmp_path: Path, url: str) -> None:
    assert "is no address" in refused(url, tmp_path).message


def test_a_server_of_an_old_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    import grpc
    from pyspark import __version__
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

    class Old(base_pb2_grpc.SparkConnectServiceServicer):
        def AnalyzePlan(self, request, context):
            version = base_pb2.AnalyzePlanResponse.SparkVersion(version="3.5.1")
            return base_pb2.AnalyzePlanResponse(session_id=request.session_id, spark_version=version)

    made = grpc.server(futures.ThreadPoolExecutor(2))
    base_pb2_grpc.add_SparkConnectServiceServicer_to_server(Old(), made)
    port = made.add_insecure_port("127.0.0.1:0")
    made.start()
    try:
        error = refused(f"sc://127.0.0.1:{port}", tmp_path)
    finally:
        made.stop(None).wait()
    assert error.message == f"the Spark Connect server is Spark 3.5.1, and pyspark here is {__version__}"
    assert "Upgrade the server" in error.hint


def test_two_steps_at_once_share_the_session_and_see_only_their_own_tables(shop: Intendant) -> None:
    asked_at_once(shop, 30_000)
    assert spark_session._Shared.users == 1
