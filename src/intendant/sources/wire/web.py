"""Files behind http(s) addresses, streamed to disk whole; only the host that was configured is contacted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from intendant.errors import SourceDamaged, SourceOverloaded, SourceRefused, SourceUnreachable
from intendant.sources.base import Notify
from intendant.sources.wire.auth import Auth
from intendant.sources.wire.http import MOST_REDIRECTS, REDIRECTS, check_url, shown, with_query
from intendant.sources.wire.retry import Retry, retry_after_seconds, told_again
from intendant.types import Json

__all__ = ["Web"]

CHUNK = 1 << 20


class Web:
    """GETs of files. The constructor contacts nobody; it raises WorkspaceError for settings that aren't any."""

    def __init__(self, config: Mapping[str, Json], where: str) -> None:
        self.where = where
        self._auth = Auth.from_config(config.get("auth") or {}, where)
        self._retry = Retry.from_config(config.get("retries") or {}, where)

    def fetch(self, url: str, into: Path, notify: Notify) -> None:
        """Writes what is behind `url` to the file `into`. Raises SourceError; `into` may then hold a part."""
        check_url(url, self.where)
        self._retry.call(lambda: self._fetched(url, into), partial(told_again, notify))

    def _fetched(self, url: str, into: Path) -> None:
        origin = _origin(url)
        headers = {"User-Agent": "intendant", "Accept-Encoding": "identity", **self._auth.headers}
        try:
            with httpx.Client(timeout=httpx.Timeout(30.0, connect=10.0), headers=headers) as client:
                for _ in range(MOST_REDIRECTS + 1):
                    target = self._once(client, url, into)
                    if not target:
                        return
                    url = urljoin(url, target)
                    if _origin(url) != origin:
                        raise SourceRefused(f"The file is at another place, {shown(url)!r}", where=self.where,
                                            hint="Only the configured host is contacted; if the other is right, set it as path.")
        except httpx.TimeoutException as error:
            raise SourceUnreachable("The source did not answer in time", where=shown(url)) from error
        except httpx.RemoteProtocolError as error:
            raise SourceDamaged("The answer broke off before its end", where=shown(url)) from error
        except httpx.HTTPError as error:
            raise SourceUnreachable(f"No connection to the source: {type(error).__name__}", where=shown(url),
                                    hint="Is the address right, and the service running?") from error
        raise SourceRefused(f"More than {MOST_REDIRECTS} redirects", where=shown(url))

    def _once(self, client: httpx.Client, url: str, into: Path) -> str:
        """Fetches the file and returns "", or the address of a redirect."""
        with client.stream("GET", with_query(url, self._auth.query) if self._auth.query else url) as response:
            status, where = response.status_code, shown(url)
            if status in REDIRECTS and response.headers.get("Location"):
                return str(response.headers["Location"])
            if status in (429, 503):
                raise SourceOverloaded(f"The source asks to slow down: status {status}", where=where,
                                       retry_after=retry_after_seconds(response.headers.get("Retry-After")))
            if status >= 500:
                raise SourceUnreachable(f"The source failed: status {status}", where=where)
            if not 200 <= status < 300:
                hints = {401: "Check auth.", 403: "Check auth.", 404: "Check path in intendant.toml."}
                raise SourceRefused(f"The source refused: status {status}", where=where, hint=hints.get(status, ""))
            with into.open("wb") as out:
                for chunk in response.iter_bytes(CHUNK):
                    out.write(chunk)
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
