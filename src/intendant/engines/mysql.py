"""A connection to MySQL or MariaDB from a URL, its names and texts as SQL, and what its errors mean."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql.constants import CLIENT

from intendant.errors import (
    SourceDamaged,
    SourceError,
    SourceOverloaded,
    SourceRefused,
    SourceUnreachable,
    WorkspaceError,
    did_you_mean,
)

__all__ = ["SCHEMES", "check_url", "connected", "mysql_error", "ticked"]

SCHEMES = ("mysql://", "mariadb://")
SETTINGS = ("ssl_mode", "ssl_ca", "unix_socket")
SSL_MODES = ("disabled", "preferred", "required", "verify_identity")
CONNECT_SECONDS = 15
UNREACHABLE = {1040, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 2002, 2003, 2005, 2006, 2013, 2055}
"""Too many connections, shutting down, packets lost, and the client's own errors about the network."""
REFUSED = {1044, 1045, 1049, 1130, 1142, 1143, 1227, 1370, 1698, 1820, 1836, 1290, 3118}
BUSY = {1205, 1213}
"""A lock that wasn't given in time, and a deadlock."""
NEEDS_RSA = "cryptography"


def ticked(name: str) -> str:
    """A name as an identifier, whatever characters it has."""
    return "`" + name.replace("`", "``") + "`"


def check_url(url: str, where: str) -> None:
    """Raises WorkspaceError for a URL without a database or with an unknown setting."""
    _arguments(url, where)


def connected(url: str, where: str) -> pymysql.Connection[Any]:
    """An open connection in utf8mb4 and UTC, strict about values. Raises WorkspaceError, SourceError."""
    arguments = _arguments(url, where)
    try:
        con = pymysql.connect(charset="utf8mb4", connect_timeout=CONNECT_SECONDS, autocommit=False,
                              client_flag=CLIENT.FOUND_ROWS, max_allowed_packet=1 << 30, **arguments)
        with con.cursor() as cursor:
            cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
                           "net_write_timeout = 3600, net_read_timeout = 3600")
        return con
    except (pymysql.Error, OSError, RuntimeError) as error:
        raise mysql_error(error, where) from None


def mysql_error(error: Exception, where: str) -> SourceError:
    """The error of our tree for one of the driver."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = error.args[1] if number and len(error.args) > 1 else error
    text = " ".join(str(said).split())[:300]
    if NEEDS_RSA in text and isinstance(error, RuntimeError):
        return SourceRefused("The server wants the password over TLS or RSA, and offers no TLS", where=where,
                             hint="Switch TLS on in the server, or `pip install cryptography`.")
    if number in BUSY:
        return SourceOverloaded(f"MySQL is busy: {text}", where=where, hint="Others hold the rows; try again later.")
    if number in REFUSED:
        return SourceRefused(f"MySQL refused: {text}", where=where, hint="Check user, password, database and grants.")
    if number in UNREACHABLE or (isinstance(error, OSError) and not number):
        return SourceUnreachable(f"MySQL is not reachable: {text}", where=where, hint="Check host and port, and that it runs.")
    return SourceDamaged(f"MySQL answered with an error: {text}", where=where)


def _arguments(url: str, where: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WorkspaceError("The url of MySQL can't be read", where=where,
                             hint="Characters such as / and @ in a password are written %2F and %40.") from None
    database = unquote(parts.path.lstrip("/"))
    if not database or not (parts.hostname or "unix_socket" in parts.query):
        raise WorkspaceError("The url of MySQL names no host or no database", where=where,
                             hint='Write url = "mysql://user:${MYSQL_PASSWORD}@host/database".')
    settings = dict(parse_qsl(parts.query))
    for name in settings:
        if name not in SETTINGS:
            raise WorkspaceError(f"{name!r} is not a setting of a url of MySQL", where=where, hint=did_you_mean(name, SETTINGS, "setting"))
    out: dict[str, Any] = {"host": parts.hostname or "localhost", "port": port or 3306, "database": database,
                           "user": unquote(parts.username or ""), "password": unquote(parts.password or "").encode()}
    if "unix_socket" in settings:
        out["unix_socket"] = settings["unix_socket"]
    return out | _encryption(settings, where)


def _encryption(settings: dict[str, str], where: str) -> dict[str, Any]:
    """TLS as MySQL's own client has it: `preferred` uses it where the server offers it."""
    mode = settings.get("ssl_mode", "verify_identity" if "ssl_ca" in settings else "preferred").lower()
    if mode not in SSL_MODES:
        raise WorkspaceError(f"ssl_mode is one of {', '.join(SSL_MODES)}, not {mode!r}", where=where,
                             hint=did_you_mean(mode, SSL_MODES, "mode"))
    if mode == "disabled":
        return {"ssl_disabled": True}
    if mode == "required":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return {"ssl": context}
    if mode == "verify_identity":
        try:
            return {"ssl": ssl.create_default_context(cafile=settings.get("ssl_ca"))}
        except OSError as error:
            raise WorkspaceError(f"ssl_ca can't be read: {error}", where=where, hint="Give the path of the authority's PEM file.") from None
    return {}
