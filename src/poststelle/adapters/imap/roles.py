"""What a folder is for: by special-use attribute (RFC 6154), else by the names mail programs give it.

Law: pure; each role goes to at most one folder. Names decide only at the top of the tree (or right below the inbox).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poststelle.adapters.imap import wire
from poststelle.mail.ports import Role

_ATTRIBUTES = {
    "\\sent": Role.SENT,
    "\\drafts": Role.DRAFTS,
    "\\trash": Role.TRASH,
    "\\junk": Role.SPAM,
    "\\archive": Role.ARCHIVE,
}

_NAMES: Mapping[Role, Sequence[str]] = {
    Role.SENT: (
        "sent", "sent items", "sent messages", "sent mail", "gesendet", "gesendete objekte", "gesendete elemente",
        "gesendete nachrichten", "envoyés", "messages envoyés", "éléments envoyés", "posta inviata", "inviata",
        "inviati", "enviados", "elementos enviados", "verzonden", "verzonden items", "verzonden berichten", "wysłane",
        "elementy wysłane",
    ),
    Role.DRAFTS: (
        "drafts", "draft", "entwürfe", "entwurf", "brouillons", "bozze", "borradores", "concepten", "kopie robocze",
        "szkice", "wersje robocze",
    ),
    Role.TRASH: (
        "trash", "deleted items", "deleted messages", "deleted", "bin", "papierkorb", "gelöscht", "gelöschte objekte",
        "gelöschte elemente", "corbeille", "éléments supprimés", "cestino", "posta eliminata", "papelera",
        "elementos eliminados", "prullenbak", "verwijderde items", "kosz", "elementy usunięte",
    ),
    Role.SPAM: (
        "spam", "junk", "junk e-mail", "junk email", "junk mail", "spamverdacht", "unerwünscht", "unbekannt",
        "courrier indésirable", "indésirables", "pourriel", "posta indesiderata", "correo no deseado",
        "ongewenste e-mail", "wiadomości-śmieci", "niechciane",
    ),
    Role.ARCHIVE: ("archive", "archives", "archiv", "archivio", "archivo", "archief", "archiwum"),
}  # fmt: skip


def roles_of(folders: Sequence[tuple[tuple[str, ...], wire.Listed]]) -> dict[bytes, Role]:
    """Role by the server's name, for those that have one. `folders`: our own ones, each with its path."""
    roles: dict[bytes, Role] = {}

    def give(role: Role, name: bytes) -> None:
        if role not in roles.values() and name not in roles:
            roles[name] = role

    for _, folder in folders:
        if folder.name.upper() == b"INBOX":
            give(Role.INBOX, folder.name)
    for _, folder in folders:
        for attribute in sorted(folder.attributes & _ATTRIBUTES.keys()):
            give(_ATTRIBUTES[attribute], folder.name)
    named: dict[str, list[bytes]] = {}
    for path, folder in sorted(
        (entry for entry in folders if _is_at_the_top(entry[0])), key=lambda entry: len(entry[0])
    ):
        if not folder.attributes & {"\\noselect", "\\nonexistent"}:
            named.setdefault(path[-1].casefold(), []).append(folder.name)
    for role, names in _NAMES.items():
        for name in names:
            for candidate in named.get(name, ()):
                give(role, candidate)
    return roles


def may_be(role: Role, path: Sequence[str]) -> bool:
    """Whether a folder's name and place alone would let it be this."""
    return _is_at_the_top(path) and path[-1].casefold() in _NAMES.get(role, ())


def _is_at_the_top(path: Sequence[str]) -> bool:
    return len(path) == 1 or (len(path) == 2 and path[0].upper() == "INBOX")
