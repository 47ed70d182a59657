"""The data folder: made on first use, brought up to date by whoever opens it.

Law: it belongs to one system user and nobody else reads it. Tables are changed by one process at a time (``migrate.lock``); a
folder written by a newer release is refused, never touched. Needs Django set up for this folder.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from poststelle.errors import Conflict

DATABASE, KEY_FILE, SEGMENTS = "poststelle.db", "keys.json", "segments"
_LOCK = "migrate.lock"


def prepare(home: Path) -> None:
    """Create what is missing and bring the tables up to date. Raises Conflict("data-newer")."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / SEGMENTS).mkdir(exist_ok=True, mode=0o700)
    if not is_current():
        from django.core.management import call_command

        with _alone(home):
            # Whoever had the lock before us may have done it already; migrate then does nothing.
            call_command("migrate", interactive=False, verbosity=0)


def is_current() -> bool:
    """Whether the tables are those of this release. Raises Conflict("data-newer") when they are those of a later one."""
    shipped = {
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in pkgutil.iter_modules([str(Path(app.path) / "migrations")])
    }
    # Every command asks: only where something differs are the migrations themselves loaded and looked at.
    if shipped == MigrationRecorder(connection).applied_migrations().keys():
        return True
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    loader = executor.loader
    unknown = [name for name in loader.applied_migrations if name not in loader.disk_migrations]
    if later := [name for app, name in unknown if app in loader.migrated_apps]:
        raise Conflict("data-newer", migration=max(later))
    return not executor.migration_plan(loader.graph.leaf_nodes())


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    handle = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
