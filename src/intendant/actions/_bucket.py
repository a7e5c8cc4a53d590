"""A cold place on S3-compatible storage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from intendant.errors import SourceRefused
from intendant.objects.addresses import Address, as_folder
from intendant.sources.wire.objects import Objects
from intendant.types import Json

__all__ = ["Bucket"]

NOT_THERE = "The object is not there"


class Bucket:
    """Archives below an s3:// address, with the keys that `[storage]` or the environment gives."""

    def __init__(self, url: str, keys: Mapping[str, Json]) -> None:
        self.root = as_folder(url if url.endswith("/") else f"{url}/")
        Address.of(self.root, "storage.cold")
        self.objects = Objects(keys, "storage.cold")

    def named(self, key: str) -> str:
        return f"{self.root}{key}"

    def put(self, file: Path, key: str) -> None:
        self.objects.put(file, Address.of(self.named(key), "storage.cold"), _silent)

    def get(self, key: str, spare: Path) -> Path:
        try:
            self.objects.fetch(Address.of(self.named(key), "storage.cold"), spare, _silent)
        except SourceRefused as error:
            if error.message.startswith(NOT_THERE):
                raise FileNotFoundError(self.named(key)) from None
            raise
        return spare


def _silent(kind: str, data: Mapping[str, Json]) -> None:
    pass
