"""Uploads in S3-compatible object storage, through django-storages."""

from __future__ import annotations

from typing import Any

SECONDS_TO_CONNECT = 3
SECONDS_TO_READ = 20
ATTEMPTS = 3


def object_storage(*, bucket: str, endpoint: str, region: str, prefix: str) -> dict[str, Any]:
    """An entry of ``STORAGES``.

    Keys come from the environment as Amazon's tools read them (``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``) or from the machine's role; none stands in a setting. Objects are
    private, never overwritten, and reach a browser through the site alone.
    """
    from botocore.config import Config

    options: dict[str, Any] = {
        "bucket_name": bucket,
        "location": prefix,
        "default_acl": None,
        "querystring_auth": True,
        "file_overwrite": False,
        "client_config": Config(
            connect_timeout=SECONDS_TO_CONNECT,
            read_timeout=SECONDS_TO_READ,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    }
    if endpoint:
        options["endpoint_url"] = endpoint
    if region:
        options["region_name"] = region
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
