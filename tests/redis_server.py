"""A real Redis server for tests: a private port of the loopback interface, a password, a folder of its own.

Where it cannot be had its tests are skipped with the reason; with ``REQUIRE_REDIS=1`` they fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
PASSWORD = "between-gateways"
START_S = 20.0


def program() -> str:
    """The server's executable, or the test ends here."""
    if PROGRAM is not None:
        return PROGRAM
    why = "there is no redis-server: install the Debian package redis-server"
    if os.environ.get("REQUIRE_REDIS") == "1":
        pytest.fail(why)
    pytest.skip(why)


class RedisServer:
    """It keeps its port and (with ``durable``) its data over ``kill`` and ``start``."""

    def __init__(self, folder: Path, *, durable: bool = False, more: str = "") -> None:
        self._folder = folder
        self._durable = durable
        self._more = more  # lines of its configuration
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it answers."""
        self._folder.mkdir(exist_ok=True)
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [program(), "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self._folder
            )
        assert self._process.stdin is not None
        with self._process.stdin as settings:  # not on the command line, where everybody reads it
            settings.write(self._settings().encode())
        until = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < until, (self._folder / "log").read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """As a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It accepts connections and answers nothing, until ``go_on``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _settings(self) -> str:
        lasting = "appendonly yes\nappendfsync always\n" if self._durable else ""
        return f'bind 127.0.0.1\nport {self.port}\nrequirepass {PASSWORD}\nsave ""\n{lasting}{self._more}\n'

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_S) as wire:
                wire.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
                answer = b""
                while not answer.endswith(b"+PONG\r\n"):
                    more = wire.recv(1024)
                    if not more:
                        return False
                    answer += more
                    if b"LOADING" in answer:
                        return False
                return True
        except OSError:
            return False
