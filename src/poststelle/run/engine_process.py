"""The engine as a process of its own: started by `serve`, never by people.

Sets Django up before anything that needs it is imported, takes the engine lock and runs until SIGTERM or orphaned.
"""

from __future__ import annotations

import gc
import os
import signal
import sys


def main() -> int:
    """Run the engine in this process; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    gc.disable()  # nothing of what is loaded is garbage; the workshop freezes it
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "poststelle.run.settings")
    import django

    django.setup()
    import uvloop
    from django.conf import settings

    from poststelle.run.demo.play import run_demo
    from poststelle.run.engine import run
    from poststelle.run.locks import ENGINE, held

    gc.enable()
    with held(settings.POSTSTELLE.home, ENGINE):
        uvloop.run(run_demo() if settings.POSTSTELLE.demo else run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
