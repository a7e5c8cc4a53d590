"""One Spark session per process: started at the first query, shared, stopped when the last who uses it has closed."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intendant.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["Settings", "acquire", "java", "release"]

INSTALL = "pip install 'intendant[spark]'"
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


class _Shared:
    """The process's session and how many use it."""

    lock = threading.RLock()
    session: SparkSession | None = None
    users = 0
    ours = False


def java() -> str:
    """Where the Java that Spark would use is; "" when there is none."""
    home = os.environ.get("JAVA_HOME", "")
    inside = Path(home) / "bin" / "java"
    return str(inside) if home and inside.is_file() else shutil.which("java") or ""


def acquire(settings: Settings) -> SparkSession:
    """The session; every call is answered by one `release`. Raises EngineError with what is missing."""
    with _Shared.lock:
        if _Shared.session is None:
            _Shared.session, _Shared.ours = started(settings)
        _Shared.users += 1
        return _Shared.session


def release() -> None:
    """Stops the session when nobody uses it any more, unless the program had it before us."""
    with _Shared.lock:
        _Shared.users -= 1
        if _Shared.users == 0 and _Shared.session is not None:
            if _Shared.ours:
                _Shared.session.stop()
            _Shared.session = None


def started(settings: Settings) -> tuple[SparkSession, bool]:
    if importlib.util.find_spec("pyspark") is None:
        raise EngineError("pyspark is not installed", where='[engine] kind = "spark"', hint=f"`{INSTALL}`.")
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "py4j", "pyspark"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if settings.url:
        return connected(settings), True
    from pyspark.sql import SparkSession

    found = SparkSession.getActiveSession()
    session, ours = (found, False) if found is not None else (local(settings), True)
    return configured(session, settings), ours


def configured(session: SparkSession, settings: Settings) -> SparkSession:
    for key, value in {**settings.options, **SAME}.items():
        if key.startswith("spark.sql."):
            session.conf.set(key, value)
    return session


def connected(settings: Settings) -> SparkSession:
    """A session at a Spark Connect server."""
    try:
        from pyspark.sql.connect.session import SparkSession

        session: Any = SparkSession.builder.remote(settings.url).create()
        return configured(session, settings)
    except ImportError as e:
        raise EngineError(f"Spark Connect needs a package: {e}", where=settings.url, hint=f"`{INSTALL}`.") from None
    except Exception as e:
        first = str(e).strip().partition("\n")[0][:300]
        raise EngineError(
            f"the Spark Connect server does not answer: {first}", where=settings.url,
            hint="Look whether it runs and whether `url` in [engine] is right, e.g. sc://host:15002.",
        ) from None  # fmt: skip


def local(settings: Settings) -> SparkSession:
    """A session in a JVM that we start; what it writes goes to spark.log."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if not java():
        raise EngineError("there is no Java, which Spark runs on", where='[engine] kind = "spark"', hint=JAVA)
    settings.folder.mkdir(parents=True, exist_ok=True)
    conf = SparkConf()
    for key, value in {**defaults(settings), **settings.options, **SAME}.items():
        conf.set(key, value)
    log = settings.folder / "spark.log"
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
