"""Which faults are asked again, for how long, and what a person reads when asking does not help."""

from __future__ import annotations

import errno

import pytest

from facevid.storage import BadBody, PlaceError, passes, retried, retrying

pytest.importorskip("aiohttp")
botocore_exceptions = pytest.importorskip("botocore.exceptions")


def store_error(code: str, status: int) -> Exception:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore_exceptions.ClientError(response, "GetObject")


def web_error(status: int) -> Exception:
    import aiohttp
    import yarl
    from multidict import CIMultiDict, CIMultiDictProxy

    url = yarl.URL("http://a/b")
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(info, (), status=status)


PASSING = [
    TimeoutError(), ConnectionResetError(), BrokenPipeError(), BadBody("half"), EOFError(),
    OSError(errno.EBUSY, "SlowDown"), store_error("SlowDown", 503), store_error("InternalError", 500),
    store_error("RequestTimeout", 400), web_error(429), web_error(502),
    botocore_exceptions.ReadTimeoutError(endpoint_url="x"),
    botocore_exceptions.FlexibleChecksumError(error_msg="Expected checksum a did not match calculated checksum: b"),
    botocore_exceptions.EndpointConnectionError(endpoint_url="x"),
]  # fmt: skip
LASTING = [
    FileNotFoundError(), PermissionError(), store_error("NoSuchKey", 404), store_error("AccessDenied", 403),
    store_error("InvalidRange", 416), web_error(404), web_error(401), web_error(501),
    botocore_exceptions.NoCredentialsError(), OSError(errno.EINVAL, "no"), ValueError("no"),
]  # fmt: skip


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_faults_of_the_way_pass(error: Exception) -> None:
    assert passes(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_answers_that_last_are_not_asked_again(error: Exception) -> None:
    assert not passes(error)


def test_what_s3fs_makes_of_an_error_is_judged_by_its_cause() -> None:
    wrapped = OSError(errno.EIO, "unknown code")
    wrapped.__cause__ = store_error("NoIdea", 400)
    assert not passes(wrapped)
    wrapped.__cause__ = store_error("NoIdea", 503)
    assert passes(wrapped)


def test_a_call_is_made_again_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", slept.append)
    monkeypatch.setattr(retrying.random, "uniform", lambda low, high: high)
    faults: list[Exception] = [TimeoutError() for _ in range(6)]

    def call() -> str:
        if faults:
            raise faults.pop()
        return "there"

    assert retried(call, what="s3://raw/a.mp4") == "there"
    assert slept == [1, 2, 4, 8, 16, 20]


def test_after_all_attempts_the_place_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("FACEVID_STORAGE_ATTEMPTS", "3")
    calls = []

    def call() -> None:
        calls.append(1)
        raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(
        PlaceError, match=r"s3://raw/a\.mp4 could not be reached: it was asked 3 times .* reset"
    ) as told:
        retried(call, what="s3://raw/a.mp4")
    assert told.value.kind == "unreachable" and len(calls) == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(), "missing"), (store_error("NoSuchKey", 404), "missing"), (web_error(410), "missing"),
        (PermissionError(), "forbidden"), (web_error(401), "forbidden"),
        (botocore_exceptions.NoCredentialsError(), "forbidden"), (OSError(errno.EINVAL, "x"), "refused"),
    ],
)  # fmt: skip
def test_a_lasting_answer_is_told_at_once(error: Exception, kind: str) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(PlaceError, match=r"s3://raw/a\.mp4") as told:
        retried(call, what="s3://raw/a.mp4")
    assert (told.value.kind, len(calls)) == (kind, 1)


def test_a_fault_of_the_program_goes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        retried(lambda: 1 // 0, what="s3://raw")


@pytest.mark.parametrize(
    ("name", "value"),
    [("ATTEMPTS", "0"), ("ATTEMPTS", "many"), ("TIMEOUT_S", "0"), ("TIMEOUT_S", "nan"), ("TIMEOUT_S", "x")],
)
def test_settings_that_cannot_be_used_are_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FACEVID_STORAGE_{name}", value)
    with pytest.raises(PlaceError, match=f"FACEVID_STORAGE_{name} is '{value}'"):
        retrying.attempts()
        retrying.timeout_s()
