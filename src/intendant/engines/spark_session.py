"""One Spark session per process: started at the first query, shared, stopped when the last who uses it has closed.

A session that has died (its Java process or its server is gone) is forgotten, and the next query starts another.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from intendant.engines.spark_connect import bare, connected
from intendant.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["INSTALL", "JAVA", "Settings", "acquire", "current", "java", "java_fault", "java_version", "lost", "release"]

INSTALL = "pip install 'intendant[spark]'"
LEAST_JAVA = 17
JAVA = "Install Java 17 or newer, or set JAVA_HOME to where it is."
SAME = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.caseSensitive": "false",
    "spark.sql.legacy.sizeOfNull": "false",
}
"""What the results depend on; nothing in intendant.toml changes it."""


@dataclass(frozen=True)
class Settings:
    """`[engine]` as Spark needs it. `url` is a Spark Connect server; else Spark runs at `master`, in a JVM of ours."""

    master: str = "local[*]"
    url: str = ""
    memory: str = "2g"
    folder: Path = Path()
    """Where Spark spills to, and where its log is."""
    options: Mapping[str, str] = field(default_factory=dict)
    checks_from: int = 0
    filled: Callable[[str], str] = str
    """Puts the secrets into `url`, which is kept and shown without them."""

    @property
    def log(self) -> Path:
        return self.folder / "spark.log"


class _Shared:
    """The process's session and how many use it."""

    lock = threading.RLock()
    session: SparkSession | None = None
    users = 0
    ours = False
    place = ""
    """Where it is: a server's address, or a master."""


def java() -> str:
    """Where the Java that Spark would use is; "" when there is none."""
    home = os.environ.get("JAVA_HOME", "")
    if home:  # Spark takes it, and looks nowhere else
        inside = Path(home) / "bin" / "java"
        return str(inside) if inside.is_file() else ""
    return shutil.which("java") or ""


def java_version(path: str) -> int | None:
    """17 of `openjdk version "17.0.15"`, 8 of "1.8.0_392"; None where it doesn't say."""
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else None


def acquire(settings: Settings) -> SparkSession:
    """The session; every call is answered by one `release`. Raises EngineError with what is missing."""
    with _Shared.lock:
        session = current(settings)
        _Shared.users += 1
        return session


def current(settings: Settings) -> SparkSession:
    """The session for somebody who has acquired one: another one where that has died since."""
    place = settings.url or settings.master
    with _Shared.lock:
        if _Shared.session is None:
            _Shared.session, _Shared.ours = started(settings)
            _Shared.place = place
        elif _Shared.ours and _Shared.place != place:
            raise EngineError(f"this process has its Spark at {bare(_Shared.place)}", where=f"[engine], {bare(place)}",
                              hint="Close the other workspace first, or run this one in a process of its own.")  # fmt: skip
        return _Shared.session


def release() -> None:
    """Stops the session when nobody uses it any more, unless the program had it before us."""
    with _Shared.lock:
        _Shared.users -= 1
        if _Shared.users == 0 and _Shared.session is not None:
            if _Shared.ours:
                stopped(_Shared.session)
            _Shared.session = None


def stopped(session: SparkSession) -> None:
    """Ends a session, be it alive or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            session.stop()


def lost(session: SparkSession) -> None:
    """Forgets a session that has died, with what pyspark keeps of it, so that the next one starts from nothing."""
    with _Shared.lock:
        if _Shared.session is not session:
            return
        _Shared.session = None
        stopped(session)
        if importlib.util.find_spec("py4j") is None or not hasattr(session, "_jvm"):
            return
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        gateway = SparkContext._gateway
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None
        with contextlib.suppress(Exception):
            gateway.shutdown()
        with contextlib.suppress(Exception):
            gateway.proc.kill()


def started(settings: Settings) -> tuple[SparkSession, bool]:
    if importlib.util.find_spec("pyspark") is None:
        raise EngineError("pyspark is not installed", where='[engine] kind = "spark"', hint=f"`{INSTALL}`.")
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "py4j", "pyspark"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    if settings.url:
        return configured(connected(settings.url, settings.filled(settings.url), INSTALL), settings), True
    from pyspark.sql import SparkSession

    found = SparkSession.getActiveSession()
    session, ours = (found, False) if found is not None else (local(settings), True)
    return configured(session, settings), ours


def configured(session: SparkSession, settings: Settings) -> SparkSession:
    for key, value in {**settings.options, **SAME}.items():
        if key.startswith("spark.sql."):
            session.conf.set(key, value)
    return session


def java_fault() -> str:
    """What is wrong with the Java here, "" where nothing is."""
    home, path = os.environ.get("JAVA_HOME", ""), java()
    if not path:
        return f"JAVA_HOME is {home!r}, where no bin/java is" if home else "there is no Java, which Spark runs on"
    version = java_version(path)
    return f"Java is {version}, and Spark needs {LEAST_JAVA} ({path})" if version is not None and version < LEAST_JAVA else ""


def local(settings: Settings) -> SparkSession:
    """A session in a JVM that we start; what it writes goes to spark.log."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if fault := java_fault():
        raise EngineError(fault, where='[engine] kind = "spark"', hint=JAVA)
    settings.folder.mkdir(parents=True, exist_ok=True)
    conf = SparkConf()
    for key, value in {**defaults(settings), **settings.options, **SAME}.items():
        conf.set(key, value)
    log = settings.log
    try:
        gateway = SparkContext._gateway  # the JVM of a session that was stopped serves the next one
        if gateway is None:
            with log.open("wb") as out:
                gateway = launch_gateway(conf, popen_kwargs={"stdout": out, "stderr": out})
        context = SparkContext(conf=conf, gateway=gateway)
    except Exception as e:
        first = str(e).strip().partition("\n")[0][:300]
        raise EngineError(
            f"Spark could not be started: {first}", where=str(log), hint=f"Its log says why. {JAVA}"
        ) from None
    context.setLogLevel("ERROR")
    return SparkSession(context)


def defaults(settings: Settings) -> dict[str, str]:
    out = {
        "spark.app.name": "intendant",
        "spark.master": settings.master,
        "spark.driver.memory": settings.memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(settings.folder / "warehouse"),
    }
    if settings.master.startswith("local"):
        cores = os.cpu_count() or 2
        out |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(settings.folder),
            "spark.sql.shuffle.partitions": str(max(4, 2 * cores)),
        }
    return out
