"""What a folder is for: by special-use attribute (RFC 6154), else by the names mail programs give it.

Law: pure; each role goes to at most one folder. Names decide only at the top of the tree (or right below the inbox).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poststelle.adapters.imap import utf7, wire
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


def path_of(listed: wire.Listed) -> tuple[str, ...]:
    """The folder's name for people, outermost first, never empty; what cannot be shown is replaced."""
    pieces = listed.name.split(listed.delimiter) if listed.delimiter else [listed.name]
    shown = tuple(_shown(utf7.decode(piece)) for piece in pieces if piece)
    return shown or (_shown(utf7.decode(listed.name)) or "?",)


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def roles_of(folders: Sequence[wire.Listed]) -> dict[bytes, Role]:
    """Role by folder name, for those that have one."""
    roles: dict[bytes, Role] = {}

    def give(role: Role, name: bytes) -> None:
        if role not in roles.values() and name not in roles:
            roles[name] = role

    for folder in folders:
        if folder.name.upper() == b"INBOX":
            give(Role.INBOX, folder.name)
    for folder in folders:
        for attribute in sorted(folder.attributes & _ATTRIBUTES.keys()):
            give(_ATTRIBUTES[attribute], folder.name)
    named: dict[str, list[bytes]] = {}
    for folder in sorted(folders, key=lambda folder: len(path_of(folder))):
        path = path_of(folder)
        usable = not folder.attributes & {"\\noselect", "\\nonexistent"}
        if usable and (len(path) == 1 or (len(path) == 2 and path[0].upper() == "INBOX")):
            named.setdefault(path[-1].casefold(), []).append(folder.name)
    for role, names in _NAMES.items():
        for name in names:
            for candidate in named.get(name, ()):
                give(role, candidate)
    return roles
