"""A session at a Spark Connect server, and what is wrong when there is none: nobody there, a token refused, another version."""

from __future__ import annotations

import re
import socket
import urllib.parse
import warnings
from typing import TYPE_CHECKING, Any

from intendant.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["PORT", "address_of", "bare", "connected", "port_fault"]

PORT = 15002
OLDEST = 4
"""The oldest major version of a server that understands what is asked of it."""
TRIES, LONGEST_WAIT = 5, 3000
"""How often a call is tried again when the server doesn't answer, and the longest pause before it (ms)."""
WAIT = 5.0
"""Seconds in which somebody must be at the port."""
LOOK = "Look whether it runs and whether `url` in [engine] is right, e.g. sc://host:15002."
TOKEN = 'Look at the token in `url` of [engine]: "sc://host:15002/;token=${SPARK_TOKEN}".'
REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "Invalid token", "authentication token")


def bare(url: str) -> str:
    """The address without its parameters, of which one is a token."""
    return url.partition(";")[0].rstrip("/")


def address_of(url: str) -> tuple[str, int]:
    """Host and port. Raises EngineError for what is no address."""
    parts = urllib.parse.urlsplit("http" + bare(url).removeprefix("sc"))
    try:
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host, port = None, PORT
    if not host or parts.path:
        raise EngineError(f"{bare(url)!r} is no address of a Spark Connect server", where="url of [engine]",
                          hint="Write sc://HOST:15002.")  # fmt: skip
    return host, port


def port_fault(url: str) -> str:
    """Why nobody can be reached at the address, "" where somebody can."""
    try:
        with socket.create_connection(address_of(url), timeout=WAIT):
            return ""
    except OSError as e:
        return "no answer in time" if isinstance(e, TimeoutError) else (e.strerror or str(e))


def connected(shown: str, url: str, install: str) -> SparkSession:
    """A session at the server `url`; `shown` is the address as intendant.toml has it, without secrets.

    Raises EngineError: a package is missing, nobody answers, the token is refused, the server is too old.
    """
    where = bare(shown)
    if fault := port_fault(url):
        raise EngineError(f"the Spark Connect server does not answer: {fault}", where=where, hint=LOOK, gone=True)
    try:
        from pyspark.sql.connect.client.retries import DefaultPolicy
        from pyspark.sql.connect.session import SparkSession
    except ImportError as e:
        raise EngineError(f"Spark Connect needs a package: {e}", where=where, hint=f"`{install}`.") from None
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    session: Any = None
    try:
        session = SparkSession(connection=url)
        session.client.set_retry_policies([DefaultPolicy(max_retries=TRIES, max_backoff=LONGEST_WAIT)])
        version = str(session.version)
    except Exception as e:
        ended(session)
        raise refusal(e, where) from None
    if fault := version_fault(version):
        ended(session)
        raise EngineError(fault, where=where, hint="Upgrade the server, or install the pyspark that fits it.")
    found: SparkSession = session
    return found


def ended(session: Any) -> None:
    """Closes the channel without telling the server, which may not listen."""
    if session is not None:
        session.client._closed = True
        session.client._channel.close()


def refusal(error: Exception, where: str) -> EngineError:
    """Why the server didn't take us, in our words and without its trace."""
    said = str(error)
    if any(sign in said for sign in REFUSED):
        return EngineError("the Spark Connect server refuses the token, or wants one", where=where, hint=TOKEN)
    details = re.search(r'details = "([^"]*)"', said)
    first = (details[1] if details else said.strip().partition("\n")[0])[:300]
    return EngineError(f"the Spark Connect server does not answer: {first}", where=where, hint=LOOK, gone=True)


def version_fault(version: str) -> str:
    """What is wrong with the server's version, "" where nothing is."""
    from pyspark import __version__

    if int(version.partition(".")[0] or 0) >= OLDEST:
        return ""
    return f"the Spark Connect server is Spark {version}, and pyspark here is {__version__}"
