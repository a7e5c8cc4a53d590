"""Objects one request at a time: signed as Amazon's own library signs, refused in words, listed in pages, deleted in one go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.servers.s3 import Storage, storage

from intendant.errors import WorkspaceError
from intendant.objects.access import Access
from intendant.objects.bucket import Bucket, Pauses
from intendant.objects.failure import Failure, failure_of
from intendant.objects.signing import encoded, query_text, signed

KEYS = ["plain", "a b/c+d", "%53ales%202024/by_r=b%2Fc/x.parquet", "ü/日本", "~a'(b)*!&=?#;:@,$"]


@pytest.fixture(scope="module")
def s3() -> Iterator[Storage]:
    with storage() as started:
        yield started


@pytest.fixture
def bucket(s3: Storage) -> Bucket:
    access = Access.of({"endpoint": s3.endpoint, "access_key": "an-access-key", "secret_key": "a-secret"}, "test")
    return Bucket(access, s3.bucket(), Pauses(3, 0.01, 0.02))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("token", ["", "a-token"])
def test_a_request_is_signed_as_amazons_library_signs_it(key: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    access = Access("eu-west-3", "https", "s3.example.com:9000", "AKIA", "secret/+key", token)
    query = {"list-type": "2", "prefix": key, "uploads": ""}
    path, digest = f"/bucket/{encoded(key, safe='/-_.~')}", "0" * 64
    ours = signed(access, "PUT", access.host, path, query, {"If-None-Match": "*", "Content-MD5": "abc=="}, digest, now)
    theirs = AWSRequest(
        "PUT",
        f"https://{access.host}{path}?{query_text(query)}",
        headers={"host": access.host, "If-None-Match": "*", "Content-MD5": "abc==", "X-Amz-Content-SHA256": digest},
    )
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now.replace(tzinfo=None))
    auth = S3SigV4Auth(Credentials("AKIA", "secret/+key", token or None), "s3", access.region)
    monkeypatch.setattr(auth, "payload", lambda request: digest)
    auth.add_auth(theirs)
    assert (
        ours["authorization"].rpartition("Signature=")[2] == theirs.headers["Authorization"].rpartition("Signature=")[2]
    )


def test_objects_of_any_key_come_back_and_go_in_one_request(bucket: Bucket, s3: Storage, tmp_path: Path) -> None:
    for key in KEYS:
        bucket.put(key, key.encode(), absent=True)
    assert sorted(o.key for o in bucket.listed("")) == sorted(KEYS)
    assert [bucket.get(key)[0] for key in KEYS] == [key.encode() for key in KEYS]
    assert bucket.download(KEYS[1], tmp_path / "file") == len(KEYS[1])
    s3.seen.clear()
    bucket.delete([*KEYS, "nothing there"])
    assert (len(s3.seen), list(bucket.listed(""))) == (1, [])


def test_a_condition_that_does_not_hold_is_told_and_changes_nothing(bucket: Bucket) -> None:
    first = bucket.put("a", b"1", absent=True)
    second = bucket.put("a", b"2", etag=first)
    for condition in ({"absent": True}, {"etag": first}):
        with pytest.raises(Failure) as failure:
            bucket.put("a", b"3", **condition)
        assert failure.value.kind == "taken"
    assert bucket.get("a") == (b"2", second)
    with pytest.raises(Failure) as gone:
        bucket.put("b", b"3", etag=first)
    assert gone.value.kind == "taken"


def test_more_objects_than_a_page_holds_are_all_listed(bucket: Bucket, s3: Storage) -> None:
    s3.put_many(bucket.name, {f"a/{n:05}": b"" for n in range(1000)} | {"a/b/c": b"", "c": b""})
    assert len(list(bucket.listed("a/"))) == 1001
    assert [o.key for o in bucket.listed("", deep=False)] == ["c"]
    bucket.delete([o.key for o in bucket.listed("a/")])
    assert [o.key for o in bucket.listed("")] == ["c"]


def test_a_list_that_comes_in_part_is_asked_for_again_and_never_taken_for_the_whole(
    bucket: Bucket, s3: Storage
) -> None:
    bucket.put("a", b"1")
    answers = iter([(200, "half of a list")])
    with s3.failing(lambda method, path: next(answers, None) if "list-type" in path else None):
        assert [o.key for o in bucket.listed("")] == ["a"]


@pytest.mark.parametrize(
    ("status", "code", "kind", "again"),
    [
        (404, "NoSuchKey", "missing", False),
        (404, "NoSuchBucket", "refused", False),
        (412, "PreconditionFailed", "taken", False),
        (409, "ConditionalRequestConflict", "busy", True),
        (503, "SlowDown", "busy", True),
        (429, "", "busy", True),
        (500, "InternalError", "unreachable", True),
        (400, "BadDigest", "damaged", True),
        (403, "AccessDenied", "refused", False),
        (501, "NotImplemented", "unable", False),
        (301, "PermanentRedirect", "refused", False),
        (400, "Whatever", "refused", False),
    ],
)
def test_every_answer_is_told_apart_by_what_helps(status: int, code: str, kind: str, again: bool) -> None:
    failure = failure_of(status, f"<Error><Code>{code}</Code><Message>so it is</Message></Error>", "team", "7")
    assert (failure.kind, failure.again) == (kind, again)
    assert failure.retry_after == (7.0 if status in (429, 503) else None) or kind == "busy"
    assert failure.hint or kind == "taken"


def test_keys_come_from_the_settings_or_the_standard_variables_and_are_never_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WorkspaceError, match="needs access_key"):
        Access.of({}, "lake")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-outside")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-outside")
    access = Access.of({"endpoint": "minio:9000", "region": "eu-west-1"}, "lake")
    assert (access.access_key, access.scheme, access.host, access.region) == (
        "from-outside",
        "https",
        "minio:9000",
        "eu-west-1",
    )
    assert "secret-outside" not in repr(access)
    with pytest.raises(WorkspaceError, match="needs secret_key"):
        Access.of({"access_key": "mine"}, "lake")
    assert Access.of({"anonymous": True}, "lake").access_key == ""


def test_amazons_own_hosts_name_the_bucket_unless_it_has_a_dot() -> None:
    access = Access("eu-west-1", access_key="a", secret_key="b")
    assert [(b._host, b._root) for b in (Bucket(access, "team"), Bucket(access, "my.team"))] == [
        ("team.s3.eu-west-1.amazonaws.com", ""),
        ("s3.eu-west-1.amazonaws.com", "/my.team"),
    ]
