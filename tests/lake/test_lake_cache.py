"""The cache of data files: each is fetched once and whole, room is made by age of use, what a query uses stays."""

from __future__ import annotations

import multiprocessing
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from intendant.errors import Damaged, DiskFull
from intendant.lake.cache import STALE, Cache

SPAWN = multiprocessing.get_context("spawn")


class Far:
    """Files of so many bytes as their key says, and how often each was fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def __call__(self, key: str, into: Path) -> int:
        self.fetched.append(key)
        into.write_bytes(b"x" * int(key.rpartition("/")[2]))
        return into.stat().st_size


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def cache(tmp_path: Path, far: Far) -> Cache:
    return Cache(tmp_path / "cache", 250, far)


def names(cache: Cache) -> set[str]:
    return {p.relative_to(cache.files).as_posix() for p in cache.files.rglob("*") if p.is_file()}


def test_a_file_is_fetched_once_and_is_there_while_it_is_held(cache: Cache, far: Far) -> None:
    path = cache.path("a/100", 100)
    for _ in range(2):
        with cache.held([path, "/elsewhere/file"]):
            assert Path(path).stat().st_size == 100
    assert far.fetched == ["a/100"]


def test_threads_that_want_one_file_fetch_it_once(cache: Cache, far: Far) -> None:
    path, start = cache.path("a/100", 100), threading.Barrier(6)

    def hold() -> None:
        start.wait()
        with cache.held([path]):
            pass

    threads = [threading.Thread(target=hold) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert far.fetched == ["a/100"]


def test_what_was_used_longest_ago_goes_when_room_is_needed(cache: Cache) -> None:
    for n, key in enumerate(("a/100", "b/100", "a/100", "c/100")):
        with cache.held([path := cache.path(key, 100)]):
            os.utime(path, (n, n))
    assert (names(cache), cache.size()) == ({"a/100", "c/100"}, 200)


def test_what_a_query_uses_stays_even_above_the_limit(cache: Cache) -> None:
    paths = [cache.path(f"{n}/100", 100) for n in range(4)]
    with cache.held(paths), cache.held([cache.path("other/100", 100)]):
        assert all(Path(path).is_file() for path in paths)
        assert cache.trim() == 0
    assert cache.trim() == 300
    assert len(names(cache)) == 2


def hold_and_tell(folder: Path, ready: object, go_on: object) -> None:
    cache = Cache(folder, 250, Far())
    with cache.held([cache.path("theirs/100", 100)]):
        ready.set()  # type: ignore[attr-defined]
        go_on.wait(20)  # type: ignore[attr-defined]
    os._exit(0)


@pytest.mark.parametrize("dies", [False, True])
def test_what_another_process_uses_stays_until_it_ends_or_dies(dies: bool, cache: Cache) -> None:
    ready, go_on = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold_and_tell, args=(cache.folder, ready, go_on))
    other.start()
    assert ready.wait(60)
    with cache.held([cache.path(f"{n}/100", 100) for n in range(2)]):
        pass
    cache.trim(250)
    assert names(cache) == {"theirs/100"}
    other.kill() if dies else go_on.set()
    other.join()
    cache.trim(250)
    assert (names(cache), list((cache.folder / "leases").iterdir())) == (set(), [])


def test_a_file_of_another_size_is_never_given(cache: Cache, far: Far) -> None:
    path = cache.path("a/100", 120)
    with pytest.raises(Damaged, match="cut short"), cache.held([path]):
        pass
    assert not Path(path).exists()


def test_a_file_that_was_cut_short_here_is_fetched_again(cache: Cache, far: Far) -> None:
    path = cache.path("a/100", 100)
    with cache.held([path]):
        Path(path).write_bytes(b"x")
    with cache.held([path]):
        assert Path(path).stat().st_size == 100
    assert far.fetched == ["a/100", "a/100"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, None])
def test_a_small_file_that_a_power_cut_left_in_part_is_not_there(damage: bytes | None, cache: Cache) -> None:
    cache.keep("log/1.json", b"content\n")
    assert cache.kept("log/1.json") == b"content\n"
    path = cache.files / "log/1.json"
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    assert cache.kept("log/1.json") is None


def test_a_full_disk_leaves_no_lease_that_stops_making_room(cache: Cache) -> None:
    with cache.held([cache.path("a/100", 100)]):
        pass
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(DiskFull), cache.held([cache.path("b/100", 100)]):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (cache.trim(250), list((cache.folder / "leases").iterdir())) == (100, [])


def test_a_fetch_that_fails_leaves_nothing_behind(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str, into: Path) -> int:
        into.write_bytes(b"half")
        raise ConnectionError

    monkeypatch.setattr(cache, "_fetch", broken)
    with pytest.raises(ConnectionError), cache.held([cache.path("a/100", 100)]):
        pass
    assert [p for p in cache.folder.rglob("*") if p.is_file() and p.name != "lock"] == []


def test_drafts_of_dead_processes_go_and_those_of_living_ones_stay(cache: Cache) -> None:
    (drafts := cache.folder / "drafts").mkdir(parents=True)
    for name, age in (("old", STALE + 60), ("new", 0.0)):
        (drafts / name).write_bytes(b"x")
        os.utime(drafts / name, (time.time() - age,) * 2)
    cache.trim()
    assert [p.name for p in drafts.iterdir()] == ["new"]
