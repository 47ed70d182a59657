"""`serve`: the web in this process, the engine as its child; one of each per data folder.

The port opens when the data folder is prepared and the engine is ready. A crashed engine is started again, ever more slowly, and so
is one that has fallen silent; the engine ends by itself when this process does, however it ends. While it starts, the pages are loaded.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import uvicorn
from django.conf import settings as django_settings

from poststelle.errors import Conflict
from poststelle.run.locks import SERVE, held
from poststelle.web.live import watch

log = logging.getLogger(__name__)

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
SILENCE_SECONDS = 110.0
KEEP_ALIVE_SECONDS = 75
"""Somebody who reads for a minute should not have to connect again for the next click."""
_LONGEST_PAUSE = 60.0


class EngineProcess:
    """The engine child and the thread that keeps it alive. `module` is what it runs."""

    def __init__(self, module: str = "poststelle.run.engine_process") -> None:
        self._module = module
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)

    def start(self) -> None:
        """Begin to start it."""
        self._keeper.start()

    def wait(self) -> None:
        """Until it is ready, or for half a minute, when it is still being tried."""
        if not self._ready.wait(READY_SECONDS):
            log.error("the engine does not start; see the lines above. Pages work, no mail moves.")

    def stop(self) -> None:
        """Tell it to stop, wait a little, then insist."""
        self._stopping.set()
        child = self._child
        if child is not None and child.stdin is not None:
            child.stdin.close()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        self._keeper.join(STOP_SECONDS)

    def _keep(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._run_once()
            except OSError:  # no memory or no handles just now
                log.exception("the engine could not be started; trying again")
            if self._stopping.is_set():
                return
            pause = 1.0 if time.monotonic() - began > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            self._stopping.wait(pause)

    def _run_once(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._child.stdout is not None
        said = self._child.stdout
        if said.readline() == b"ready\n":
            self._ready.set()
            if not _listen(said.fileno(), SILENCE_SECONDS):
                log.error("the engine has frozen: nothing was heard of it for %.0f s", SILENCE_SECONDS)
                self._child.kill()
        code = self._child.wait()
        if not self._stopping.is_set():
            log.error("the engine ended with code %s; starting it again", code)


def _listen(handle: int, silence: float) -> bool:
    """Read what comes until its end (true), or until nothing has come for so long (false)."""
    while select.select([handle], [], [], silence)[0]:
        if not os.read(handle, 4096):
            return True
    return False


class _Server(uvicorn.Server):
    """Ends the live streams first: uvicorn waits for open responses before it tells the application to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        watch.close()
        super().handle_exit(sig, frame)


def serve(host: str, port: int) -> int:
    """Serve until told to stop; 0.

    Raises Conflict: "lock-taken" when this data folder is being served already, "port-unavailable".
    """
    home: Path = django_settings.POSTSTELLE.home
    with held(home, SERVE):
        engine = EngineProcess()
        engine.start()
        # Nothing of what is loaded is garbage; the pages freeze it when they start.
        gc.disable()
        importlib.import_module("poststelle.run.asgi")
        gc.enable()
        engine.wait()
        config = uvicorn.Config(
            "poststelle.run.asgi:application", host=host, port=port, loop="uvloop", http="httptools", lifespan="on",
            log_config=None, log_level="warning", server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=3, timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )  # fmt: skip
        try:
            # Once all is closed uvicorn raises the signal that ended it again; for us that is a good end.
            for ending in (signal.SIGINT, signal.SIGTERM):
                signal.signal(ending, lambda *_: None)
            _Server(config).run()
        except SystemExit as error:
            # uvicorn's way of saying that it cannot listen there; it has logged the system's words.
            raise Conflict("port-unavailable", host=host, port=port) from error
        finally:
            engine.stop()
    return 0
