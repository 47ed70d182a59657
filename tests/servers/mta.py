"""A real mail transfer agent: Exim on free ports of 127.0.0.1, delivering `*@example.test` into a `Dovecot`.

What it is for: submission as a provider does it (log-in required, STARTTLS or TLS), answers per recipient, bounces.
Exim is taken from the machine if it is installed; otherwise its Debian package is unpacked, not installed, into the
checkout's `.cache`, because installing one MTA removes another. It runs without any rights and reads no configuration
but its own. The users and passwords are the Dovecot's.
"""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess
from pathlib import Path

from tests.servers.ca import Certificate
from tests.servers.dovecot import Dovecot
from tests.servers.process import Account, Server, ServerMissing, free_ports, new_directory

INSTALLED = Path("/usr/sbin/exim4")
CACHE = Path(__file__).parents[2] / ".cache" / "exim"
PACKAGE = "exim4-daemon-light"
LIBRARIES = {
    "libdb5.3": "db-5.3",
    "libevent-2.1-7": "event-2.1",
    "libgnutls-dane0": "gnutls-dane",
    "libidn12": "idn",
    "libnsl2": "nsl",
    "libtirpc3": "tirpc",
    "libunbound8": "unbound",
}
"""What Exim links to beyond a minimal Debian: package, and the library's name for the dynamic linker."""

NSS_WRAPPER = "libnss-wrapper"
"""Lends Exim the account `Debian-exim` it insists on, where the package never made one."""

MESSAGE_SIZE_LIMIT = 100 * 1024 * 1024

MACROS = """\
THE_EXIM = {exim}
THE_USER = {account.name}
THE_GROUP = {account.group}
THE_DIRECTORY = {directory}
THE_CERTIFICATE = {certificate.cert}
THE_PRIVATE_KEY = {certificate.key}
THE_PASSWORDS = {users}
THE_SIZE_LIMIT = {size_limit}
THE_STARTTLS_PORT = {starttls_port}
THE_TLS_PORT = {tls_port}
THE_RELAY_PORT = {relay_port}
THE_LMTP_PORT = {lmtp_port}
"""

CONFIGURATION = r"""
primary_hostname = mail.example.test
qualify_domain = example.test
exim_path = THE_EXIM
exim_user = THE_USER
exim_group = THE_GROUP
deliver_drop_privilege = true
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : ^NSS_WRAPPER
spool_directory = THE_DIRECTORY/spool
log_file_path = THE_DIRECTORY/%slog
pid_file_path = THE_DIRECTORY/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = THE_STARTTLS_PORT : THE_TLS_PORT : THE_RELAY_PORT
tls_on_connect_ports = THE_TLS_PORT
tls_advertise_hosts = *
tls_certificate = THE_CERTIFICATE
tls_privatekey = THE_PRIVATE_KEY
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
message_size_limit = THE_SIZE_LIMIT
smtp_accept_max = 200
helo_accept_junk_hosts = *
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipient
acl_smtp_data = accept

begin acl

recipient:
  deny    !authenticated = *
          condition = ${if !={$received_port}{THE_RELAY_PORT}}
          message = 5.7.0 log in first
  deny    !domains = example.test
          message = 5.7.1 relaying denied
  deny    local_parts = ^refused
          message = 5.1.1 <$local_part@$domain>: recipient address rejected
  defer   local_parts = ^deferred
          message = 4.7.1 <$local_part@$domain>: try again later
  accept

begin routers

mailbox:
  driver = manualroute
  domains = example.test
  route_list = * 127.0.0.1
  self = send
  transport = lmtp

begin transports

lmtp:
  driver = smtp
  protocol = lmtp
  port = THE_LMTP_PORT
  allow_localhost
  hosts_avoid_tls = *

begin retry

*  *  F,1h,2s

begin authenticators

cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${extract{1}{:}{${lookup{$auth1}lsearch{THE_PASSWORDS}}}}
  server_set_id = $auth1

plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{!eq{$auth3}{}} {eq{$auth3}{${extract{1}{:}{${lookup{$auth2}lsearch{THE_PASSWORDS}}}}}}}}
  server_set_id = $auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{!eq{$auth2}{}} {eq{$auth2}{${extract{1}{:}{${lookup{$auth1}lsearch{THE_PASSWORDS}}}}}}}}
  server_set_id = $auth1
"""


class Mta:
    """A running Exim. Ports: `starttls_port` (submission), `tls_port` (submissions), `relay_port` (no log-in asked).

    Recipients `refused…@example.test` get 550, `deferred…@example.test` 451, other domains 550; an address Dovecot
    does not know is accepted and bounces to the sender. `ServerMissing` names the package if Exim cannot be had.
    """

    host = "127.0.0.1"

    def __init__(self, dovecot: Dovecot, certificate: Certificate, *, size_limit: int = MESSAGE_SIZE_LIMIT) -> None:
        account = Account.without_rights()
        self.directory = new_directory("poststelle-exim-", account)
        exim, environment = _program(self.directory, account)
        self.starttls_port, self.tls_port, self.relay_port = free_ports(3)
        configuration = self.directory / "exim.conf"
        account.writes(
            configuration,
            MACROS.format(
                exim=exim,
                account=account,
                directory=self.directory,
                certificate=certificate.installed(self.directory, account),
                size_limit=size_limit,
                users=dovecot.passwords,
                lmtp_port=dovecot.lmtp_port,
                starttls_port=self.starttls_port,
                tls_port=self.tls_port,
                relay_port=self.relay_port,
            )
            + CONFIGURATION,
        )
        self._server = Server(
            [exim, "-C", configuration, "-bdf", "-q2s"],
            account=account,
            directory=self.directory,
            ports=(self.starttls_port, self.tls_port, self.relay_port),
            log=self.directory / "paniclog",
            environment=environment,
        )

    def log(self) -> str:
        """What Exim has logged so far."""
        files = (self.directory / "mainlog", self.directory / "paniclog")
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        """End the server; what it had not delivered is gone. May be called twice."""
        self._server.stop()


def unpack() -> Path:
    """The folder Exim lies unpacked in, fetched at the first call (`apt-get download` needs no rights)."""
    if (CACHE / "usr/sbin/exim4").exists():
        return CACHE
    partial = CACHE.with_name("exim.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    missing = [package for package, library in LIBRARIES.items() if ctypes.util.find_library(library) is None]
    download = ["apt-get", "download", PACKAGE, NSS_WRAPPER, *missing]
    try:
        subprocess.run(download, cwd=partial, check=True, capture_output=True)
        for archive in partial.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, partial], check=True, capture_output=True)
            archive.unlink()
    except (OSError, subprocess.CalledProcessError) as problem:
        raise ServerMissing(PACKAGE) from problem
    shutil.rmtree(CACHE, ignore_errors=True)
    partial.rename(CACHE)
    return CACHE


def _program(directory: Path, account: Account) -> tuple[Path, dict[str, str]]:
    """A copy of Exim without its setuid bit, and the environment it needs to run."""
    exim = directory / "exim"
    if INSTALLED.exists():
        shutil.copyfile(INSTALLED, exim)
        environment = {}
    else:
        root = unpack()
        shutil.copyfile(root / "usr/sbin/exim4", exim)
        libraries = directory / "lib"
        shutil.copytree(next((root / "usr/lib").glob("*-linux-gnu*")), libraries)
        passwd, group = directory / "passwd", directory / "group"
        account.writes(
            passwd, "".join(f"{name}:x:{account.uid}:{account.gid}::/:/bin/false\n" for name in _names(account.name))
        )
        account.writes(group, "".join(f"{name}:x:{account.gid}:\n" for name in _names(account.group)))
        environment = {
            "LD_LIBRARY_PATH": str(libraries),
            "LD_PRELOAD": str(libraries / "libnss_wrapper.so"),
            "NSS_WRAPPER_PASSWD": str(passwd),
            "NSS_WRAPPER_GROUP": str(group),
        }
    exim.chmod(0o755)
    return exim, environment


def _names(own: str) -> tuple[str, ...]:
    return (own, "Debian-exim")


if __name__ == "__main__":
    try:
        if not INSTALLED.exists():
            unpack()
    except ServerMissing as missing:
        raise SystemExit(str(missing)) from missing
