"""What an API says it offers: an object of links, a list of them, or an OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from intendant.types import Json

__all__ = ["links_of", "paths_of_openapi"]

SELF = ("self", "next", "prev", "first", "last", "docs", "documentation", "home", "health", "openapi")


def links_of(body: bytes) -> dict[str, str]:
    """name -> address, from the API's root; {} when it says nothing of the kind."""
    try:
        root = json.loads(body)
    except ValueError:
        return {}
    if isinstance(root, Mapping) and "paths" in root:
        return paths_of_openapi(root)
    if isinstance(root, Mapping):
        for name in ("resources", "_links", "links", "endpoints", "collections"):
            if isinstance(root.get(name), Mapping | list):
                return _links(root[name])
    return _links(root)


def paths_of_openapi(description: Mapping[str, Json]) -> dict[str, str]:
    """Collections of an OpenAPI description: paths with GET and without a parameter in them."""
    paths = description.get("paths")
    out: dict[str, str] = {}
    for path, verbs in paths.items() if isinstance(paths, Mapping) else ():
        name = path.rstrip("/").rpartition("/")[2]
        if isinstance(verbs, Mapping) and "get" in verbs and "{" not in path and name and name.lower() not in SELF:
            out.setdefault(name, path)
    return out


def _links(value: Json) -> dict[str, str]:
    pairs = value.items() if isinstance(value, Mapping) else ((None, item) for item in value or ())
    out: dict[str, str] = {}
    for name, item in pairs if isinstance(value, Mapping | list) else ():
        address = _address(item)
        label = name or (item.get("name") if isinstance(item, Mapping) else None) or _last_part(address)
        if not address and name is None and isinstance(item, str) and item.isidentifier():
            label, address = item, f"/{item}"
        if address and label and str(label).lower() not in SELF:
            out[str(label)] = address
    return out


def _address(item: Json) -> str:
    if isinstance(item, Mapping):
        item = next((item[k] for k in ("href", "path", "url") if isinstance(item.get(k), str)), "")
    return item if isinstance(item, str) and item.startswith(("/", "http://", "https://")) else ""


def _last_part(address: str) -> str:
    return urlsplit(address).path.rstrip("/").rpartition("/")[2]
