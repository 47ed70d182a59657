"""The command line: ``poststelle …``. Opens the data folder, runs the command, turns failures into exit codes.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 an account needs a person. Which commands there are is in `run.arguments`, what they do in
``run.commands``. A command is somebody's waiting: it loads what it needs and no more, help nothing at all, and nothing before ``--home`` is known.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poststelle.errors import Conflict, Invalid, NeedsAttention, PoststelleError
from poststelle.run.arguments import parser

if TYPE_CHECKING:
    from poststelle.run.configuration import Configuration

log = logging.getLogger(__name__)

DONE, FAILED, WRONG_USE, NEEDS_PERSON = range(4)
_LOCALE = Path(__file__).resolve().parent.parent / "locale"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    os.umask(0o077)
    given = parser().parse_args(arguments)
    try:
        return _run(given)
    except PoststelleError as error:
        _tell(error)
        return NEEDS_PERSON if isinstance(error, NeedsAttention) else FAILED
    except BrokenPipeError:
        # Whoever read our output has had enough; keep Python from complaining when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        _tell(Conflict("file-unusable", path=error.filename or "-", reason=error.strerror or str(error)))
        return FAILED
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        _tell_unexpected(error)
        return FAILED


_OPEN_THEMSELVES = {"office.init", "operation.serve", "operation.doctor"}
"""Commands that make the data folder, or look at it before anything is changed."""


def _run(given: argparse.Namespace) -> int:
    # Nothing of what is loaded now is garbage, and half a million objects would be searched for some.
    gc.disable()
    from poststelle.run.configuration import PREFIX, ConfigurationError, load

    for name in ("home", "host", "port", "demo"):
        if (value := getattr(given, name, None)) is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    try:
        configuration = load()
    except ConfigurationError as error:
        sys.stderr.write(f"poststelle: {error}\n")
        return FAILED
    try:
        command = _command_of(given, configuration)
        gc.freeze()
        gc.enable()
        return command(given, configuration)
    finally:
        _close_database()


def _command_of(
    given: argparse.Namespace, configuration: Configuration
) -> Callable[[argparse.Namespace, Configuration], int]:
    """What carries it out, with Django set up for the data folder."""
    from poststelle.run.data_folder import DATABASE

    if given.does not in {"office.init", "operation.serve"} and not (configuration.home / DATABASE).exists():
        raise Conflict("data-missing", home=str(configuration.home))
    if configuration.demo and given.does == "operation.serve":
        from poststelle.run.demo.room import make_room

        make_room(configuration.home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "poststelle.run.settings")
    import django
    from django.utils import translation

    django.setup()
    translation.activate(_language(os.environ) or _office_language())
    if given.does not in _OPEN_THEMSELVES:
        from poststelle.run.data_folder import prepare

        prepare(configuration.home)
    module, _, name = given.does.partition(".")
    command: Callable[[argparse.Namespace, Configuration], int] = getattr(
        importlib.import_module(f"poststelle.run.commands.{module}"), name
    )
    return command


def _close_database() -> None:
    """Whoever closes it last folds its log into it. What is frozen is not closed by the end of the process."""
    from django.conf import settings

    if settings.configured:
        from django.db import connections

        connections.close_all()


def _language(environment: Mapping[str, str]) -> str | None:
    """``de`` or ``en`` where the locale asks for one of them."""
    asked = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(name))), "")
    return asked[:2] if asked[:2] in {"de", "en"} else None


def _office_language() -> str:
    from django.db import DatabaseError

    from poststelle.office import people

    try:
        return people.office_language()
    except DatabaseError:
        return "en"  # there are no tables yet


def _tell(error: PoststelleError) -> None:
    _translate()
    from poststelle.office.wording import field_sentence, sentence

    sys.stderr.write(f"poststelle: {sentence(error)}\n")
    if isinstance(error, Invalid):
        for path, reason in error.fields.items():
            sys.stderr.write(f"  {path or '-'}: {field_sentence(reason)}\n")


def _tell_unexpected(error: Exception) -> None:
    from poststelle.office.wording import sentence

    _translate()
    sys.stderr.write(
        f"poststelle: {sentence('unexpected')} ({type(error).__name__}: {str(error).partition(chr(10))[0]})\n"
    )
    log.debug("unexpected", exc_info=error)


def _translate() -> None:
    """Sentences need Django's catalogues, also when the data folder could not be opened."""
    import django
    from django.conf import settings
    from django.utils import translation

    if not settings.configured:
        settings.configure(LOCALE_PATHS=[_LOCALE], USE_I18N=True, LANGUAGE_CODE="en")
        django.setup()
        translation.activate(_language(os.environ) or "en")
