"""The command line: ``poststelle …``. Says which commands there are, opens the data folder, turns failures into exit codes.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 an account needs a person. What a command does is in ``run.commands``; those
modules are imported once Django is set up for the data folder, so that help is there at once and ``--home`` comes first.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from poststelle.errors import Conflict, Invalid, NeedsAttention, PoststelleError
from poststelle.run.configuration import PREFIX, Configuration, ConfigurationError, load

log = logging.getLogger(__name__)

DONE, FAILED, WRONG_USE, NEEDS_PERSON = range(4)
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_LOCALE = Path(__file__).resolve().parent.parent / "locale"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    os.umask(0o077)
    given = parser().parse_args(arguments)
    for name in ("home", "host", "port", "demo"):
        if (value := getattr(given, name, None)) is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    try:
        return _run(given, load())
    except PoststelleError as error:
        _tell(error)
        return NEEDS_PERSON if isinstance(error, NeedsAttention) else FAILED
    except ConfigurationError as error:
        sys.stderr.write(f"poststelle: {error}\n")
        return FAILED
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


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="poststelle", description="Every mailbox of an office, self-hosted.", allow_abbrev=False
    )
    _add_home(top)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    _add_office(commands)
    _add_accounts(commands)
    _add_mail(commands)
    _add_operation(commands)
    return top


def _command(within: _Commands, name: str, does: str, text: str) -> argparse.ArgumentParser:
    made = within.add_parser(name, help=text, description=text, allow_abbrev=False)
    _add_home(made)
    made.set_defaults(does=does, wrong_use=made.error)
    return made


def _group(within: _Commands, name: str, text: str) -> _Commands:
    made = within.add_parser(name, help=text, description=text, allow_abbrev=False)
    _add_home(made)
    return made.add_subparsers(metavar="COMMAND", required=True)


def _add_home(one: argparse.ArgumentParser) -> None:
    one.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="data folder (else POSTSTELLE_HOME)")


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return number


def _add_json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true", help="print one JSON document")


def _add_json_lines(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json-lines", action="store_true", help="print one JSON document per line, as things happen")


def _add_office(commands: _Commands) -> None:
    init = _command(commands, "init", "office.init", "create the data folder, the office and its first administrator")
    init.add_argument("--office", required=True, metavar="NAME")
    init.add_argument("--admin-email", required=True, metavar="A")
    init.add_argument("--admin-name", required=True, metavar="N")
    init.add_argument("--admin-password-stdin", required=True, action="store_true")
    init.add_argument("--language", choices=("de", "en"), default="de")
    user = _command(_group(commands, "user", "people"), "add", "office.add_user", "add a person")
    user.add_argument("email", metavar="EMAIL")
    user.add_argument("--name", required=True, metavar="N")
    user.add_argument("--admin", action="store_true")
    user.add_argument("--password-stdin", required=True, action="store_true")
    token = _command(
        _group(commands, "token", "API tokens"), "add", "office.add_token", "make an API token and print it"
    )
    token.add_argument("--user", required=True, metavar="EMAIL")
    token.add_argument("--name", required=True, metavar="N")


def _add_accounts(commands: _Commands) -> None:
    within = _group(commands, "account", "mailboxes")
    add = _command(within, "add", "accounts.add", "add a mailbox")
    add.add_argument("--json", required=True, metavar="FILE", help="the account document; - for standard input")
    add.add_argument("--probe", action="store_true", help="test first, and save only what works")
    _add_json(_command(within, "list", "accounts.list_all", "list mailboxes"))
    show = _command(within, "show", "accounts.show", "show a mailbox with its state")
    show.add_argument("label", metavar="LABEL")
    _add_json(show)
    probe = _command(within, "probe", "accounts.probe", "test a mailbox, or settings not saved yet")
    probe.add_argument("label", metavar="LABEL", nargs="?")
    probe.add_argument("--json", metavar="FILE", help="settings, or changes to LABEL; - for standard input")
    _add_json_lines(probe)
    remove = _command(within, "remove", "accounts.remove", "forget a mailbox here; the server is not touched")
    remove.add_argument("label", metavar="LABEL")
    remove.add_argument("--yes", required=True, action="store_true", help="really")


def _add_mail(commands: _Commands) -> None:
    sync = _command(commands, "sync", "mail.sync", "a full round for these mailboxes, index included")
    sync.add_argument("labels", metavar="LABEL", nargs="*")
    sync.add_argument("--once", required=True, action="store_true")
    _add_json(sync)
    _add_json_lines(sync)
    search = _command(commands, "search", "mail.search", "find messages somebody may see")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("--user", required=True, metavar="EMAIL")
    search.add_argument("--limit", type=_within(1, 100_000), default=50, metavar="N")
    _add_json(search)


def _add_operation(commands: _Commands) -> None:
    serve = _command(commands, "serve", "operation.serve", "serve pages and API, and move mail, until told to stop")
    serve.add_argument("--host", metavar="H", default=argparse.SUPPRESS)
    serve.add_argument("--port", metavar="P", type=_within(1, 65535), default=argparse.SUPPRESS)
    serve.add_argument(
        "--demo", action="store_true", default=argparse.SUPPRESS, help="a furnished office without network"
    )
    _add_json(_command(commands, "status", "operation.status", "what the mailboxes are doing"))
    _add_json(_command(commands, "doctor", "operation.doctor", "check data folder, database, messages and disk"))


_OPEN_THEMSELVES = {"office.init", "operation.serve", "operation.doctor"}
"""Commands that make the data folder, or look at it before anything is changed."""


def _run(given: argparse.Namespace, configuration: Configuration) -> int:
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
    return command(given, configuration)


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
