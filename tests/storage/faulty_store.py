"""Fixtures: `store`, an S3 that can be told to fail, and what keeps tests of faults short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from faulty import FaultyServer

BUCKET = "raw"
_endpoints: list[str] = []


@dataclass
class Store:
    """A bucket behind a server that fails by plan. front: that server."""

    front: FaultyServer
    upstream: int

    def put(self, key: str, data: bytes) -> str:
        """Store an object, past the server in front; its address."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)
        return f"s3://{BUCKET}/{key}"

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def below(self, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix, which its name lacks."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        keys = [str(one["Key"]) for one in found]
        return {
            key.removeprefix(prefix): self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys
        }

    @property
    def client(self) -> Any:
        """A client that goes past the server in front."""
        return _client(self.upstream)


@cache
def _client(port: int) -> Any:
    import botocore.session

    session = botocore.session.get_session()
    return session.create_client("s3", endpoint_url=f"http://127.0.0.1:{port}")


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    """The port of an S3 on this machine."""
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server")
    server = server_of.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield int(server.get_host_and_port()[1])
    finally:
        server.stop()


@pytest.fixture(scope="session")
def front(moto_port: int) -> Iterator[FaultyServer]:
    """One server in front for all tests: making a client anew takes a second."""
    with FaultyServer(upstream=moto_port) as front:
        yield front


@pytest.fixture
def store(
    moto_port: int, front: FaultyServer, monkeypatch: pytest.MonkeyPatch, no_waiting: None, scratch: Path
) -> Iterator[Store]:
    """An empty bucket `raw`; credentials and endpoint come from the environment, as workers find them."""
    import s3fs

    for name, value in {
        "AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "very-secret-key", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": front.url(), "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    front.reset()
    if _endpoints != [front.url()]:
        # Each folder of tests has a server of its own, and s3fs keeps its clients for what was the endpoint then.
        s3fs.S3FileSystem.clear_instance_cache()
        _endpoints[:] = [front.url()]
    found = Store(front, moto_port)
    found.client.create_bucket(Bucket=BUCKET)
    yield found
    front.reset()
    for page in found.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for one in page.get("Contents", ()):
            found.client.delete_object(Bucket=BUCKET, Key=one["Key"])
    found.client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between attempts take nothing here, and an answer is given up after two seconds, in workers too."""
    monkeypatch.setenv("FACEVID_STORAGE_TIMEOUT_S", "2")
    monkeypatch.setattr("facevid.storage.retrying.FIRST_S", 0.0)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch of the test's own."""
    folder = tmp_path / "scratch"
    monkeypatch.setenv("FACEVID_SCRATCH", str(folder))
    return folder
