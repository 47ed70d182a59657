"""A real Dovecot on free ports of 127.0.0.1, from a private configuration in a directory of its own.

What it is for: IMAP and POP3 (plain, STARTTLS, TLS) to test against, and LMTP to put mail into it. Nothing of the machine's own
Dovecot configuration is read. Since client and server share an address, Dovecot counts plain connections as safe and
offers LOGIN before TLS; whoever wants to see LOGINDISABLED connects from source address 127.0.0.5.
"""

from __future__ import annotations

import os
import smtplib
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ca import Certificate
from tests.servers.process import Account, Server, ServerMissing, free_ports, new_directory

BINARY = Path("/usr/sbin/dovecot")
MODULES = {
    "dovecot-imapd": Path("/usr/lib/dovecot/imap"),
    "dovecot-pop3d": Path("/usr/lib/dovecot/pop3"),
    "dovecot-lmtpd": Path("/usr/lib/dovecot/lmtp"),
}

WITHOUT_CONDSTORE = "IMAP4rev1 SASL-IR LITERAL+ ID IDLE NAMESPACE UIDPLUS SPECIAL-USE CHILDREN UNSELECT"
"""Announced instead of Dovecot's full list by a server made with `condstore=False`."""

CAPABILITIES = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH "
    "SEARCHRES WITHIN LIST-STATUS BINARY MOVE LITERAL+ NOTIFY SPECIAL-USE"
)
"""What Dovecot announces of itself, as far as a mail program may care; see `without`."""

PLUGINS = """\
mail_plugins = acl quota zlib notify
protocol imap {{
  mail_plugins = $mail_plugins imap_acl imap_quota imap_zlib
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{directory}/state/shared-mailboxes.db
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=200M
}}
namespace shared {{
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:{directory}/mail/%%u/Maildir
  list = children
  subscriptions = no
}}
"""
"""Rights, quota, compression, and folders people share with each other; see `plugins`."""

CONFIGURATION = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {log}
default_internal_user = {account.name}
default_internal_group = {account.group}
default_login_user = {account.name}
first_valid_uid = {account.uid}
last_valid_uid = {account.uid}
first_valid_gid = {account.gid}
mail_uid = {account.uid}
mail_gid = {account.gid}
listen = 127.0.0.1
protocols = imap pop3 lmtp
hostname = mail.example.test
postmaster_address = postmaster@example.test
default_process_limit = 200
default_client_limit = 4000
default_vsz_limit = 0
shutdown_clients = yes

ssl = yes
ssl_cert = <{certificate.cert}
ssl_key = <{certificate.key}
ssl_dh =

{client_certificates}
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 {external}
auth_failure_delay = 0 secs
auth_cache_size = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users/%u
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users/%u
  default_fields = uid={account.uid} gid={account.gid} home={directory}/mail/%u
}}

mail_home = {directory}/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
mailbox_list_index = yes
mail_max_userip_connections = 1000
protocol imap {{
  mail_max_userip_connections = 1000
  {capability}
}}

namespace inbox {{
  inbox = yes
  {tree}
{special_folders}
}}
{plugins}

service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = {pop3s_port}
    ssl = yes
  }}
}}
service pop3 {{
  service_count = 100
  process_limit = 1000
}}
service imap {{
  service_count = 100
  process_limit = 1000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
"""

CLIENT_CERTIFICATES = """\
ssl_ca = <{authority}
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
passdb {{
  driver = static
  args = nopassword=y
  mechanisms = external
}}
"""
"""For a server that also lets in whoever shows a certificate of this authority (EXTERNAL)."""

SPECIAL_FOLDER = """\
  mailbox {name} {{
    auto = subscribe
    special_use = \\{use}
  }}"""

SPECIAL_FOLDERS = {"Sent": "Sent", "Drafts": "Drafts", "Trash": "Trash", "Junk": "Junk", "Archive": "Archive"}


@dataclass(frozen=True)
class User:
    """One mailbox: how to log in to it. The address is the user name."""

    address: str
    password: str


class Dovecot:
    """A running server. Ports: `imap_port` and `pop3_port` (plain and STARTTLS), `imaps_port` and `pop3s_port` (TLS), `lmtp_port`.

    `condstore=False` announces only what a poor server has (the commands themselves go on working); `without`: capabilities left
    out of the full list. `below_inbox`: all folders lie below "INBOX.". `plugins`: rights, shared folders, quota, compression.
    `client_authority`: whoever shows a certificate issued by this one (PEM) may log in as its common name.
    `ServerMissing` names the Debian package if one is not installed.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        certificate: Certificate,
        *,
        condstore: bool = True,
        without: Collection[str] = (),
        below_inbox: bool = False,
        plugins: bool = False,
        client_authority: Path | None = None,
    ) -> None:
        for package, program in {"dovecot-core": BINARY, **MODULES}.items():
            if not program.exists():
                raise ServerMissing(package)
        account = Account.without_rights()
        self.directory = new_directory("poststelle-dovecot-", account)
        self.passwords = self.directory / "passwords"
        """Every user so far, one `address:password` a line, for an MTA that asks for the same log-ins."""
        account.writes(self.passwords, "")
        self._users = self.directory / "users"
        self._users.mkdir()
        account.owns(self._users)
        self._account = account
        self.imap_port, self.imaps_port, self.lmtp_port, self.pop3_port, self.pop3s_port = free_ports(5)
        client_certificates = ""
        if client_authority is not None:
            account.writes(self.directory / "clients.pem", client_authority.read_bytes())
            client_certificates = CLIENT_CERTIFICATES.format(authority=self.directory / "clients.pem")
        announced = "" if condstore else WITHOUT_CONDSTORE
        if without:
            announced = " ".join(name for name in CAPABILITIES.split() if name not in without)
        configuration = self.directory / "dovecot.conf"
        log = self.directory / "dovecot.log"
        account.writes(
            configuration,
            CONFIGURATION.format(
                directory=self.directory,
                log=log,
                account=account,
                certificate=certificate.installed(self.directory, account),
                capability=f"imap_capability = {announced}" if announced else "",
                tree="separator = .\n  prefix = INBOX." if below_inbox else "separator = /",
                plugins=PLUGINS.format(directory=self.directory) if plugins else "",
                special_folders="\n".join(
                    SPECIAL_FOLDER.format(name=name, use=use) for name, use in SPECIAL_FOLDERS.items()
                ),
                client_certificates=client_certificates,
                external="external" if client_certificates else "",
                pop3_port=self.pop3_port,
                pop3s_port=self.pop3s_port,
                imap_port=self.imap_port,
                imaps_port=self.imaps_port,
                lmtp_port=self.lmtp_port,
            ),
        )
        self._server = Server(
            [BINARY, "-F", "-c", configuration],
            account=account,
            directory=self.directory,
            ports=(self.imap_port, self.imaps_port, self.lmtp_port, self.pop3_port, self.pop3s_port),
            log=log,
        )

    def user(self, name: str) -> User:
        """The mailbox `name@example.test`, made at the first call; a name no other test uses gives an empty one."""
        user = User(f"{name}@example.test", f"Passwort von {name}!")
        # One file a user: Dovecot looks for changes of a file it has read only once a second.
        file = self._users / user.address
        if not file.exists():
            self._account.writes(file, f"{user.address}:{user.password}::::::\n")
            with self.passwords.open("a") as passwords:
                passwords.write(f"{user.address}:{user.password}\n")
        return user

    def deliver(self, user: User, raw: bytes, *, sender: str = "absender@example.test") -> None:
        """Put `raw` into the user's INBOX by LMTP, unchanged but for the trace headers LMTP must add on top."""
        with smtplib.LMTP(self.host, self.lmtp_port, timeout=30) as lmtp:
            lmtp.sendmail(sender, [user.address], raw)

    def fill(self, user: User, messages: Iterable[bytes], *, folder: str = "INBOX") -> None:
        """Lay messages straight into a folder's Maildir, unread and a second apart: quick for thousands.

        The folder may be new. Received dates end now, the last message being the newest.
        """
        place = self.maildir(user) if folder == "INBOX" else self.maildir(user) / f".{folder}"
        for directory in (*reversed(place.relative_to(self.directory).parents), place.relative_to(self.directory)):
            self._own_directory(self.directory / directory)
        for name in ("tmp", "new", "cur"):
            self._own_directory(place / name)
        content = list(messages)
        began = int(time.time()) - len(content)
        for number, raw in enumerate(content):
            file = place / "cur" / f"{began + number}.M{number:06}P{time.monotonic_ns()}.fill,S={len(raw)}:2,"
            self._account.writes(file, raw)
            os.utime(file, (began + number, began + number))

    def _own_directory(self, directory: Path) -> None:
        if not directory.exists():
            directory.mkdir(mode=0o700)
            self._account.owns(directory)

    def maildir(self, user: User) -> Path:
        """The Maildir++ root: INBOX is this directory, other folders are `.Name` below it."""
        return self.directory / "mail" / user.address / "Maildir"

    def log(self) -> str:
        """What the server has logged so far."""
        file = self.directory / "dovecot.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def stop(self) -> None:
        """End the server; all its mail is gone. May be called twice."""
        self._server.stop()
