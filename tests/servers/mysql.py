"""One MariaDB for a whole test run, where `mariadbd` (or `mysqld`) is installed; each caller gets a database of its own."""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pymysql
import pytest

__all__ = ["MISSING", "Server", "connect", "fresh_database", "needs_mysql", "server"]

_numbers = itertools.count(1)
_daemon = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
MISSING = "" if _daemon and shutil.which("mariadb-install-db") else "needs mariadbd (apt-get install mariadb-server)"
needs_mysql = pytest.mark.skipif(bool(MISSING), reason=MISSING)
PASSWORD = "s3cret/p@ss"


class Server:
    """A MariaDB in a temporary folder, on a free port of this machine; `kill` ends it at once, `start` brings it back."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mysql-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        user = ["--user=root"] if os.getuid() == 0 else []
        self._args = [_daemon, "--no-defaults", *user, f"--datadir={self.folder}/data", f"--port={self.port}",
                      f"--socket={self.folder}/s", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid",
                      "--skip-log-bin", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0",
                      "--character-set-server=utf8mb4", "--max-allowed-packet=32M", "--default-time-zone=+02:00"]
        subprocess.run(["mariadb-install-db", "--no-defaults", *user, f"--datadir={self.folder}/data",
                        "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, capture_output=True)
        self.start()
        with self._root() as con, con.cursor() as cursor:
            cursor.execute("CREATE USER 'team'@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON *.* TO 'team'@'127.0.0.1'")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._args, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            try:
                self._root().close()
                return
            except pymysql.Error:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def _root(self) -> pymysql.Connection:  # type: ignore[type-arg]
        return pymysql.connect(unix_socket=f"{self.folder}/s", user="root", autocommit=True)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"t{next(_numbers)}"
        with self._root() as con, con.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return f"mysql://team:s3cret%2Fp%40ss@127.0.0.1:{self.port}/{name}"


@functools.cache
def server() -> Server:
    """The server that all tests share; skips the test where there is none to start."""
    if MISSING:
        pytest.skip(MISSING)
    made = Server()
    atexit.register(made.close)
    return made


def fresh_database() -> str:
    """URL of a new, empty database; the user is `team`, whose password has characters that a URL escapes."""
    return server().database()


def connect(url: str) -> pymysql.Connection:  # type: ignore[type-arg]
    """A connection that commits each statement."""
    port, name = url.rpartition(":")[2].split("/")
    return pymysql.connect(host="127.0.0.1", port=int(port), user="team", password=PASSWORD, database=name, autocommit=True)
