"""What every real server of the tests needs: an account without rights, a free port, a start that waits, a quick end.

Servers run as the account that runs the tests; only where that is root they run as `nobody`, because Dovecot refuses to
open mail as root. They listen on 127.0.0.1 and live in a directory of their own that is removed at the end.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
"""A loaded machine of two cores starts Dovecot in half a second; the rest is patience."""

GRACE_SECONDS = 0.4
"""How long a server may take to end by itself. Its data is thrown away, so nothing is lost by the kill that follows."""


class ServerMissing(RuntimeError):
    """The Debian package of a server is not installed; the message names it."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"Debian package {package} is missing: run ./test with root or sudo rights once, or install it"
        )


@dataclass(frozen=True)
class Account:
    """The Unix account the servers run as."""

    name: str
    uid: int
    group: str
    gid: int

    @classmethod
    def without_rights(cls) -> Account:
        """The account of this process, or `nobody` if that is root."""
        entry = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        return cls(entry.pw_name, entry.pw_uid, grp.getgrgid(entry.pw_gid).gr_name, entry.pw_gid)

    def owns(self, path: Path) -> None:
        """Hand `path` over to this account (changes nothing unless the tests run as root)."""
        os.chown(path, self.uid, self.gid)

    def writes(self, path: Path, content: bytes | str) -> None:
        """Write a file that belongs to this account."""
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.owns(path)


def new_directory(prefix: str, account: Account) -> Path:
    """A directory only `account` and root can enter; short, because Unix socket paths end at 108 bytes."""
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    account.owns(directory)
    return directory


def free_ports(count: int) -> list[int]:
    """So many different TCP ports of 127.0.0.1 that were free a moment ago."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    """One of them."""
    (port,) = free_ports(1)
    return port


class Server:
    """One foreground server process and everything it started. It ends with the thread that made it, at the latest."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        account: Account,
        directory: Path,
        ports: Sequence[int],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._log = log
        output = directory / "output.log"
        as_account = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.getuid() == 0 else {}
        with output.open("wb") as stream:
            self._process = subprocess.Popen(  # type: ignore[call-overload]  # one of two ways to call it, chosen above
                # The server must not outlive tests that were killed. Linux ties this to the starting thread.
                ["setpriv", "--pdeathsig", "KILL", *(str(word) for word in command)],
                cwd=directory,
                env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_account,
            )
        try:
            for port in ports:
                self._wait_for(port)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the process group."""
        return int(self._process.pid)

    def stop(self) -> None:
        """End the server and its children, remove its directory. May be called twice."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"server ended with {self._process.returncode} at its start:\n{self._said()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"server does not answer on port {port}:\n{self._said()}")
            time.sleep(0.02)

    def _said(self) -> str:
        files = (self._directory / "output.log", self._log)
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())
