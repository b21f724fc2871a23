"""An S3 server (moto) on loopback, for pyarrow's own S3 client."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import pyarrow.fs as pafs
import pytest

# What every process that uses the bucket has in its environment.
USER = {
    "AWS_ACCESS_KEY_ID": "isthmus",
    "AWS_SECRET_ACCESS_KEY": "the-key-of-a-test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextlib.contextmanager
def bucket() -> Iterator[str]:
    """The URI of a folder in a new bucket. Skips the test without moto."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        name, where = f"bucket-{secrets.token_hex(4)}", f"{host}:{port}"
        pafs.S3FileSystem(endpoint_override=where, scheme="http", allow_bucket_creation=True).create_dir(name)
        yield f"s3://{name}/store?scheme=http&endpoint_override={where}"
    finally:
        server.stop()
