"""Ask this container's own web process whether it is well: 0 for yes. Called by health checks."""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 4


def main() -> int:
    """Ask ``/healthz`` under the first name the site answers to."""
    name = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".*")
    port = int(os.environ.get("WEB_BIND", "0.0.0.0:8000").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Host": name or "localhost"})
        answer = connection.getresponse()
    except OSError as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    print(answer.status)
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
