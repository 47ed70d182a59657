"""What people read when something went wrong or happened: code and facts become a sentence, and what to do next.

Law: user sentences of errors live here and in templates and forms only; German and English are complete (a test collects
every code in the sources and looks it up). A sentence says what happened; the advice says what happens by itself or what the
reader can do. Facts are inserted as text and never as markup. What a server said is quoted by the pages, not here.

This module does not know who reads or what could be done about an error technically.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from poststelle.errors import Invalid, PoststelleError
from poststelle.mail.records import TroubleRecord
from poststelle.mail.work import TagRecord

Text = Any  # a lazily translated string: django-stubs calls it _StrPromise


@dataclass(frozen=True, slots=True)
class Wording:
    """What happened (`title`, a sentence) and what to do next (`advice`, may be empty), in the language now active."""

    title: str
    advice: str

    def __str__(self) -> str:
        return f"{self.title} {self.advice}".strip()


_BY_ITSELF = _("Poststelle tries again by itself; nothing is lost.")
_OURS = _("Please tell whoever looks after this installation.")
_PROVIDER = _("Poststelle waits and tries again later. If it stays so, ask the mail provider.")

CODES: Mapping[str, tuple[Text, Text]] = {
    # Reaching the server
    "host-unknown": (
        _("The server name “%(host)s” cannot be found."),
        _("Check the spelling of the server. If it is right, the network or the name service is down."),
    ),
    "host-forbidden": (
        _("This address is not open for mailboxes."),
        _("An administrator can allow servers inside the own network, in the test of a mailbox or under “Exceptions”."),
    ),
    "connection-refused": (
        _("“%(host)s” answers, but nothing listens on port %(port)s."),
        _("Check port and encryption: usually 993 for receiving and 465 or 587 for sending."),
    ),
    "connect-timeout": (
        _("“%(host)s” does not answer on port %(port)s."),
        _("Check server and port. A firewall may be in the way, or the server is down."),
    ),
    "connection-lost": (_("The connection to “%(host)s” broke off."), _BY_ITSELF),
    "read-timeout": (_("“%(host)s” stopped answering."), _BY_ITSELF),
    "write-timeout": (_("“%(host)s” stopped taking data."), _BY_ITSELF),
    "greeting-timeout": (
        _("“%(host)s” accepts the connection on port %(port)s, but says nothing."),
        _("Check port and encryption: the port may expect TLS from the first byte."),
    ),
    "too-slow": (_("“%(host)s” sends too slowly."), _BY_ITSELF),
    "server-closed": (_("The server closed the connection."), _BY_ITSELF),
    "server-busy": (_("The server asks for patience."), _("Poststelle tries again by itself, as late as the server wishes.")),
    # Encryption and certificates
    "tls-on-plain-port": (
        _("Port %(port)s of “%(host)s” does not speak TLS from the first byte."),
        _("Choose STARTTLS for this port, or use the TLS port (993 for receiving, 465 for sending)."),
    ),
    "plain-on-tls-port": (
        _("Port %(port)s of “%(host)s” expects TLS from the first byte."),
        _("Choose TLS for this port, or use the STARTTLS port (143 for receiving, 587 for sending)."),
    ),
    "starttls-missing": (
        _("“%(host)s” does not offer STARTTLS on port %(port)s."),
        _("Use TLS (993 for receiving, 465 for sending). Poststelle never goes on without the encryption you chose."),
    ),
    "starttls-injection": (
        _("“%(host)s” sent data before the encryption began."),
        _("Somebody may be tampering with the connection. Nothing was sent. Ask the mail provider."),
    ),
    "preauth-before-starttls": (
        _("“%(host)s” refuses the encryption by logging in by itself."),
        _("Somebody may be tampering with the connection. Nothing was sent. Use TLS on port 993."),
    ),
    "tls-too-old": (
        _("“%(host)s” only speaks an outdated kind of TLS."),
        _("The server needs TLS 1.2 or newer. Ask the mail provider."),
    ),
    "tls-failed": (_("The encrypted connection to “%(host)s” could not be made."), _PROVIDER),
    "tls-timeout": (_("“%(host)s” does not finish setting up the encryption."), _BY_ITSELF),
    "certificate-expired": (
        _("The certificate of “%(host)s” has expired."),
        _("The provider must renew it. Poststelle does not log in before that, so that no password gets into wrong hands."),
    ),
    "certificate-not-yet-valid": (
        _("The certificate of “%(host)s” is not valid yet."),
        _("Check the clock of this machine. If it is right, ask the mail provider."),
    ),
    "certificate-self-signed": (
        _("“%(host)s” vouches for itself: its certificate is self-signed."),
        _("If this is your own server, let whoever runs this installation add its certificate (setting ca_file)."),
    ),
    "certificate-unknown-issuer": (
        _("The certificate of “%(host)s” comes from an issuer nobody here knows."),
        _("If this is your own server, let whoever runs this installation add its issuer (setting ca_file)."),
    ),
    "certificate-wrong-name": (
        _("The certificate of “%(host)s” is made out to another name."),
        _("Enter the server under the name its certificate carries; your provider's help names it."),
    ),
    "certificate-rejected": (
        _("The certificate of “%(host)s” cannot be trusted."),
        _("Ask the mail provider. Nothing was sent."),
    ),
    "certificate-changed": (
        _("“%(host)s” shows another certificate than the one that was confirmed."),
        _("Ask the mail provider whether it was renewed. Confirm the new one only if both fingerprints are explained."),
    ),
    "exception-expired": (
        _("The exception for the certificate of “%(host)s” has ended."),
        _("Confirm the certificate the server shows now, or renew the exception."),
    ),
    "client-certificate-missing": (
        _("Logging in at “%(host)s” needs a certificate of your own, and there is none."),
        _("Add the certificate with its key to the log-in, or choose another log-in method."),
    ),
    "client-certificate-unusable": (
        _("The certificate for logging in at “%(host)s” cannot be read."),
        _("It must be in PEM form with its key, and the key without a password."),
    ),
    # Logging in
    "login-rejected": (
        _("User name or password is wrong."),
        _("Enter the log-in again. Some providers want an app password here, or mail programs to be allowed first."),
    ),
    "login-needs-tls": (
        _("The server takes no password over an unencrypted connection."),
        _("Choose TLS or STARTTLS."),
    ),
    "mechanism-not-offered": (
        _("The server does not offer a way to log in that Poststelle can use here."),
        _("Set the log-in method to automatic. If it is already, ask the mail provider for IMAP and SMTP with password."),
    ),
    "password-unencrypted": (
        _("The password goes over an unencrypted line."),
        _("Whoever can listen can read it. Choose TLS as soon as the server offers it."),
    ),
    "sasl-challenge-malformed": (_("The server breaks the rules while logging in."), _PROVIDER),
    "sasl-endless": (_("The server does not come to an end with the log-in."), _PROVIDER),
    "sasl-iterations": (_("The server asks for an absurd amount of computing before the log-in."), _PROVIDER),
    "server-unproven": (
        _("The server lets us in without showing that it knows the password."),
        _("Somebody may be pretending to be the server. Nothing was fetched or sent. Ask the mail provider."),
    ),
    "password-missing": (_("There is no password for this mailbox."), _("Enter the password in the mailbox's settings.")),
    "mailbox-full": (
        _("The mailbox on the server is full."),
        _("Delete mail there or have it enlarged, then try again."),
    ),
    "wrong-protocol": (
        _("On port %(port)s of “%(host)s” another service answers."),
        _("Check the port: 993 or 143 is for receiving, 465 or 587 for sending."),
    ),
    # The server's word
    "malformed-response": (_("The server answers in a way nobody understands."), _PROVIDER),
    "too-many-numbers": (_("The server lists more messages than can be real."), _PROVIDER),
    "nesting-too-deep": (_("The server answers in a way nobody understands."), _PROVIDER),
    "literal-too-big": (_("The server sends a message larger than anything allowed here."), _PROVIDER),
    "unexpected-continuation": (_("The server asks for something it should not."), _PROVIDER),
    "too-much-data": (_("The server sends far more than it was asked for."), _PROVIDER),
    "foreign-tag": (_("The server answers a question nobody asked."), _PROVIDER),
    "line-too-long": (_("The server sends endless lines."), _PROVIDER),
    "command-rejected": (_("The server does not understand Poststelle."), _PROVIDER),
    "no-uidvalidity": (_("The server does not number the messages of a folder reliably."), _PROVIDER),
    "too-many-folders": (_("The server lists more folders than can be real."), _PROVIDER),
    "folder-missing": (_("The folder is no longer on the server."), _("The folders are being listed again.")),
    "refused-by-server": (
        _("The server would not do that."),
        _("The message is as it was on the server; try again in a moment."),
    ),
    "cursor-lost": (_("The server has renumbered a folder."), _("It is being compared afresh; nothing is fetched twice.")),
    "cursor-unreadable": (_("The place in a folder was lost."), _("It is being compared afresh; nothing is fetched twice.")),
    "uidvalidity-changed": (
        _("The server has renumbered a folder."), _("It is being compared afresh; nothing is fetched twice."),
    ),
    "many-messages-gone": (
        _("Suddenly %(gone)s messages are missing on the server."),
        _("Here they stay. If they were removed on purpose, accept it; otherwise ask the mail provider and try again."),
    ),
    "loss-keeps-changing": (_("The folder on the server is changing right now."), _BY_ITSELF),
    "login-required": (
        _("“%(host)s” sends only after a log-in."), _("Choose a log-in for sending in the mailbox's settings."),
    ),
    "server-refused": (
        _("“%(host)s” refuses to talk to this machine."),
        _("Ask the mail provider; often the address of this machine is on a block list."),
    ),
    "no-room": (
        _("The disk of this installation is full."), _("Nothing is lost. Make room; then it goes on by itself."),
    ),
    "disk-read-only": (
        _("The disk of this installation can only be read."),
        _("Nothing is lost. Whoever runs this machine must see why and make it writable; then it goes on by itself."),
    ),
    "disk-failing": (
        _("The disk of this installation does not take what is to be kept."),
        _("It may be about to fail. Look at it and at the last backup; Poststelle keeps trying by itself."),
    ),
    "database-busy": (
        _("The database of this installation is in use by something else."), _("It goes on by itself as soon as it is free."),
    ),
    "no-progress": (
        _("Nothing has been heard of this mailbox for too long; it was started afresh."), _BY_ITSELF,
    ),
    "stalled": (_("Nothing has been heard of this mailbox, and nobody knows why."), _BY_ITSELF),
    "renumbered-again": (
        _("The server has renumbered a folder %(times)s times within a day."),
        _("Nothing was removed here. Ask the mail provider what is wrong, then try again."),
    ),
    "step-timeout": (_("The server took too long for this step."), _("Try again; if it stays so, ask the mail provider.")),
    "internal-error": (_("Poststelle itself made a mistake (%(kind)s)."), _BY_ITSELF),
    "no-way-in": (_("This mailbox does not receive anything."), _("Enter a server for receiving in its settings.")),
    "no-way-out": (_("This mailbox cannot send."), _("Enter a server for sending in its settings.")),
    "deferred": (_("The server has postponed the message."), _BY_ITSELF),
    # One message
    "address-unsendable": (_("The address cannot be used for sending."), _("Check its spelling.")),
    "line-ends-not-canonical": (_("The message could not be put into the form mail servers want."), _OURS),
    "too-large": (
        _("This message is larger than this installation fetches."), _("It stays on the server and can be read there."),
    ),
    "no-body": (
        _("The server names this message, but hands out no content."), _("It is tried again; the other messages are here."),
    ),
    "not-delivered": (
        _("The server does not hand out this message."), _("It is tried again; the other messages are here."),
    ),
    "gone": (_("The message is no longer on the server."), _("Nothing needs to be done.")),
    "vanished": (_("The message is no longer on the server."), _("Nothing needs to be done.")),
    "inbox-stays": (
        _("The inbox can be neither renamed nor removed."), _("Move its messages into another folder instead."),
    ),
    "folder-exists": (_("There is a folder of that name already."), _("Choose another name.")),
    "folder-name-impossible": (
        _("The server allows no folder of that name."), _("Choose a name without special characters."),
    ),
    "unsupported-by-protocol": (
        _("POP3 cannot do that on the server."), _("It is kept here only. Use IMAP if the provider offers it."),
    ),
    "uidl-changed": (_("The server names its messages differently from one moment to the next."), _PROVIDER),
    "folder-not-live": (
        _("This folder is fetched and kept here; it is not looked at live."), _("Search it and list it as usual."),
    ),
    "look-unknown": (_("Nobody has looked at the folder like this, or it was too long ago."), _("Look at it again.")),
    "not-connected": (
        _("This mailbox is not connected at present."), _("Switch it on, or ask whoever administers it."),
    ),
    "search-unsupported": (
        _("The server cannot search for these words."), _("Try other words, or search what is stored here."),
    ),
    "compression-broken": (_("The server's compressed answers cannot be unpacked."), _PROVIDER),
    "errand-unsendable": (
        _("This mark cannot be written on the server."), _("It is kept here only."),
    ),
    "missed": (
        _("The server has this message, and it had not been noticed here."), _("It is being fetched; nothing needs to be done."),
    ),
    # Refusals
    "last-administrator": (_("This is the last administrator."), _("Make somebody else administrator first.")),
    "not-oneself": (_("Nobody can do that to themselves."), _("Ask another administrator.")),
    "own-heir": (_("Mailboxes must go to somebody else who can log in."), _("Choose another person.")),
    "invitation-unknown": (
        _("This link is not valid."), _("It has expired or been used. Ask for a new one on the log-in page."),
    ),
    "not-convertible": (
        _("This kind of mailbox cannot become that."), _("Only mailboxes that receive can become an archive or move."),
    ),
    "errands-open": (
        _("The present server has still to be told of changes made here."),
        _("Let Poststelle send and receive once more, then move the mailbox."),
    ),
    "template-unknown": (_("There is no such template."), _("Look at the list of templates.")),
    "group-unknown": (_("There is no such group."), _("Look at the list of groups.")),
    "group-guards-files": (
        _("The files of a mailbox are for the group “%(group)s” only."),
        _("Choose another group in that mailbox first."),
    ),
    "files-for-a-group": (
        _("The files of this message are for the group “%(group)s”."),
        _("Ask somebody of that group, or an administrator to take you into it."),
    ),
    "purpose-for-a-group": (
        _("What the folders of this mailbox are for also decides which files are for the group “%(group)s”."),
        _("Ask somebody of that group, or whoever administers the mailbox."),
    ),
    "group-in-use": (
        _("Nobody else administers some of the mailboxes of this group."), _("Give somebody else the right first."),
    ),
    "hand-over-unknown": (
        _("This link is not valid."), _("It has expired or been used. Ask whoever gave it to you for a new one."),
    ),
    "no-own-login": (
        _("This mailbox has no log-in of its own."), _("Enter server and user name first, or change the shared log-in."),
    ),
    "login-unknown": (_("There is no such log-in."), _("Look at the list of log-ins, or you have no right to it.")),
    "login-in-use": (_("Mailboxes use this log-in."), _("Give them another one first.")),
    "login-of-an-account": (_("This log-in belongs to one mailbox."), _("Change it in the mailbox's settings.")),
    "outgoing-server-unknown": (
        _("There is no such outgoing server."), _("Look at the list of outgoing servers, or you have no right to it."),
    ),
    "outgoing-server-in-use": (_("Mailboxes send through this server: %(count)s."), _("Give them another one first.")),
    "changed-meanwhile": (
        _("Somebody else has changed this in the meantime."), _("Look at it again and repeat your change."),
    ),
    "administer-needed": (
        _("You may not change this mailbox."), _("Ask somebody who administers it for the right “administer”."),
    ),
    "administrators-only": (_("Only administrators may do that."), _("Ask the office's administrator.")),
    "system-only": (_("That is possible on the server's command line only."), _OURS),
    "own-tokens-only": (_("You can create access tokens for yourself only."), _("Let the person do it themselves.")),
    "people-only": (_("That is a person's own choice."), _("Log in as that person.")),
    "server-forbids": (
        _("The server does not allow this in the folder “%(folder)s”."),
        _("Ask whoever the folder belongs to for the right to do it."),
    ),
    "folder-cannot-take": (
        _("No messages can be put into this folder."), _("Choose another folder."),
    ),
    "no-such-role": (
        _("The mailbox has no folder for this purpose."), _("Set one of its folders up for it in the folder's settings."),
    ),
    "too-late-to-undo": (
        _("This can no longer be taken back."), _("What was deleted for good is gone from the server."),
    ),
    "nothing-to-undo": (_("There is nothing to take back."), _("Only what you did yourself can be taken back.")),
    "process-needed": (
        _("You may read this mailbox, but not change anything in it."),
        _("Ask somebody who administers it for the right “process”."),
    ),
    "see-needed": (
        _("You may not read this mailbox."),
        _("Ask somebody who administers it for the right “see”."),
    ),
    "send-as-needed": (
        _("You may not send from this mailbox."), _("Choose another sender, or ask for the right “send as”."),
    ),
    "setup-link-unknown": (
        _("This set-up link is not valid."), _("Open the link that was printed in the terminal at the last start."),
    ),
    "lock-taken": (
        _("This data folder is in use by another process."), _("Stop it first, or use the one that is running."),
    ),
    "port-unavailable": (
        _("Pages cannot be served at “%(host)s”, port %(port)s."),
        _("Another program may be using the port: stop it, or choose another address with --host and --port."),
    ),
    "file-unusable": (
        _("“%(path)s” cannot be used: %(reason)s."),
        _("Check permissions and free space, or name another data folder with --home."),
    ),
    "not-a-demo-folder": (
        _("This data folder holds a real office, not a demonstration."),
        _("Name another folder with --home for the demonstration; nothing was changed."),
    ),
    "data-missing": (
        _("There is no data folder at %(home)s yet."), _("Create it with “poststelle init”, or name another folder with --home."),
    ),
    "data-newer": (
        _("The data were written by a newer version of Poststelle."), _("Install that version or a later one; nothing was changed."),
    ),
    "data-older": (
        _("The data were written by an earlier version of Poststelle."), _("They are brought up to date by the next command or start."),
    ),
    "data-readable-by-others": (
        _("Other users of this machine can read the data folder."), _("Set its permissions to 0700."),
    ),
    "token-missing": (
        _("This needs an access token."),
        _("Send it as “Authorization: Bearer …”; it is made on your own page or by “poststelle token add”."),
    ),
    "unexpected": (
        _("Something went wrong that nobody foresaw."),
        _("The log of this installation tells more. Please tell whoever looks after it."),
    ),
    "database-damaged": (_("The database is damaged."), _("Stop Poststelle and restore the last backup.")),
    "messages-unreadable": (
        _("%(count)s of the newest messages cannot be read back from the store."), _("Restore the segments from the backup."),
    ),
    "disk-full": (_("The disk is almost full: %(free)s MiB are left."), _("Make room; with less than %(least)s MiB no mail is fetched.")),
    "engine-not-running": (_("No engine is running: mail is neither fetched nor sent."), _("Start it with: poststelle serve")),
    "address-unknown": (_("There is nothing at this address."), _("Look at the list of addresses in the documentation.")),
    "method-unknown": (
        _("This address does not know that method."), _("Look at the list of addresses in the documentation."),
    ),
    "already-set-up": (_("This installation has been set up already."), _("Log in with your e-mail address.")),
    "not-set-up": (
        _("This installation has not been set up yet."), _("Open the link that was printed in the terminal at the start."),
    ),
    "idempotency-key-reused": (
        _("This form has been sent already with another content."),
        _("Look into the outbox; write a new message if something is missing."),
    ),
    "bytes-damaged": (
        _("The stored message is damaged."), _("It must be restored from the backup. Please tell whoever runs this installation."),
    ),
    "message-unreadable": (
        _("This message is too much for its reader and cannot be shown here."), _("Look at its source, or download the original."),
    ),
    "segment-unreadable": (_("A file of the message store cannot be read."), _OURS),
    "secret-unreadable": (
        _("The stored password cannot be decrypted with the key of this installation."),
        _("Enter the password of the mailbox again, or restore the key file from the backup."),
    ),
    "key-file-readable-by-others": (
        _("Other users of this machine can read the key file."), _("Set its permissions to 0600 and start again."),
    ),
    "account-unknown": (_("There is no such mailbox."), _("It was removed, or you have no right to it.")),
    "folder-unknown": (_("There is no such folder."), _("It was removed, or you have no right to it.")),
    "message-unknown": (_("There is no such message."), _("It was moved or deleted, or you have no right to it.")),
    "content-unknown": (_("There is no such message."), _("It was moved or deleted, or you have no right to it.")),
    "message-has-no-html": (_("This message has no HTML form."), _("Read its text.")),
    "picture-unavailable": (
        _("This picture cannot be shown."), _("Its server does not answer, or it is no picture we show."),
    ),
    "note-unknown": (_("There is no such note of yours."), _("Only whoever wrote a note can change it.")),
    "tag-unknown": (_("There is no such tag."), _("Look at the list of tags.")),
    "branch-unknown": (_("There is no such entry in the folder tree."), _("It was taken out, or it is in the other tree.")),
    "attachment-unknown": (_("There is no such attachment."), _("Go back to the message.")),
    "outgoing-settled": (_("This message is not waiting for anybody's word."), _("Look at what has become of it.")),
    "data-restored": (
        _("It waited when this data was restored or copied, and may have left since."),
        _("Look among the sent mail or ask the recipient, then send or discard it."),
    ),
    "outgoing-unknown": (_("There is no such message in the outbox."), _("Look at the outbox's list.")),
    "links-unsent": (
        _("Links to choose a password are not mailed: there is no office account that sends."),
        _("Make a mailbox with a way out the office account, or hand the link over yourself: it is shown when you invite somebody, and “poststelle user new-password” prints one for a forgotten password."),
    ),
    "links-filed": (
        _("Links to choose a password are not mailed: %(provider)s files everything the office account “%(account)s” sends, and whoever reads that mailbox could use them."),
        _("Make another mailbox the office account, or hand the link over yourself: it is shown when you invite somebody, and “poststelle user new-password” prints one for a forgotten password."),
    ),
    "user-unknown": (_("There is no such person."), _("Look at the list of people.")),
    "token-unknown": (_("The access token is not valid."), _("It has expired or was never made; create a new one.")),
    "scope-missing": (
        _("The access token is not for this: it lacks “%(scope)s”."),
        _("Make a token that may be used for it."),
    ),
    "session-unknown": (_("This log-in has ended already."), _("Reload the page.")),
    "too-many-tries": (_("Too many tries."), _("Wait a while, then try again.")),
    "too-often": (_("That was too often within a short time."), _("Wait a minute, then go on.")),
    "too-many-requests": (_("Too many requests with this access token."), _("Wait a minute, and ask less often.")),
    "too-many-streams": (
        _("Too many windows are open at once."),
        _("Close some of them; this one goes on by itself then."),
    ),
    "sign-on-failed": (
        _("The single sign-on did not work."),
        _("Try again. If it stays so, log in with your password and tell the office's administrator."),
    ),
    "no-identity-provider": (
        _("No identity provider is set up."),
        _("Whoever runs this installation names one by the settings oidc_issuer, oidc_client_id and oidc_client_secret."),
    ),
    "sign-on-no-document": (
        _("There is no discovery document at %(address)s (status %(status)s)."),
        _("Check the setting oidc_issuer: it is the address before “/.well-known/openid-configuration”."),
    ),
    "sign-on-no-endpoint": (
        _("The discovery document lacks %(endpoints)s."),
        _("This is not an OpenID Connect provider, or not its right address. Check the setting oidc_issuer."),
    ),
    "sign-on-other-issuer": (
        _("The provider calls itself “%(said)s”, not “%(issuer)s”."),
        _("Write it into the setting oidc_issuer exactly as it calls itself."),
    ),
    "sign-on-no-keys": (
        _("There are no keys at %(address)s."),
        _("Ask whoever runs the provider: without keys nobody can check what it signs."),
    ),
    "sign-on-no-auth-time": (
        _("The provider does not tell when somebody proved who they are (“auth_time”)."),
        _("Log-ins work. Before sensitive steps only a password or a second factor can be asked for; have “auth_time” switched on there."),
    ),
    "sign-on-not-you": (
        _("That was somebody else."),
        _("Nothing has been done. Log in at the identity provider as the person you are here, and try again."),
    ),
    "sign-on-not-asked": (
        _("The identity provider did not ask again who you are, or does not say when it did."),
        _("Nothing has been done. Use your password or a second factor; if you have none, tell the administrator: the provider must support “max_age” and tell “auth_time”."),
    ),
    "sign-on-nobody": (
        _("You are not known here."),
        _("Ask the office's administrator to add you with the address your organisation knows you by."),
    ),
    "sign-on-unverified": (
        _("Your organisation does not vouch for your e-mail address."),
        _("Ask whoever looks after its log-ins to have the address verified."),
    ),
    "sign-on-other": (
        _("Somebody else already logs in with this address."),
        _("If that is you under a new name, ask the office's administrator to reset your second factor."),
    ),
    "invalid": (_("Something cannot be accepted as it is."), _("Look at the marked fields.")),
    # Testing a mailbox, and finding its settings
    "report-unknown": (_("You have not tested anything lately."), _("Test a mailbox, then fetch the report.")),
    "username-form": (
        _("The server does not know “%(username)s”, but lets in “%(working)s”."),
        _("Use that user name."),
    ),
    "app-password-needed": (
        _("The provider takes no ordinary password here, only an app password."),
        _("Create one in the security settings of your account at the provider, and enter it here."),
    ),
    "smtp-login-switched-off": (
        _("Sending with user name and password is switched off for this mailbox."),
        _("The administrator of the Microsoft organisation can switch it on for this mailbox (authenticated SMTP)."),
    ),
    "oauth-needed": (
        _("The provider takes no password at all, only its own log-in page (OAuth)."),
        _("A later version of Poststelle brings it. Until then, ask the provider for an app password."),
    ),
    "web-login-needed": (
        _("The provider wants somebody to log in to its web page first."),
        _("Log in there with a browser, confirm what is asked, then test again."),
    ),
    "access-switched-off": (
        _("Access by mail programs is switched off at the provider."),
        _("Switch on IMAP, POP3 and SMTP in the settings of the provider's web page, then test again."),
    ),
    "password-expired": (
        _("The password has expired."),
        _("Choose a new one at the provider, and enter it here."),
    ),
    "too-many-logins": (
        _("The provider has seen too many failed log-ins."),
        _("Wait an hour, check user name and password, then test once."),
    ),
    "account-locked": (
        _("The provider has locked this account."),
        _("Ask the provider to unlock it; until then nobody can log in."),
    ),
    "too-many-connections": (
        _("The server allows no more connections at the same time."),
        _("Close other mail programs that use this mailbox, or wait some minutes."),
    ),
    "maildrop-in-use": (
        _("Another program is fetching from this mailbox right now."),
        _("POP3 allows one at a time. Close the other program, or wait some minutes."),
    ),
    "greeting-endless": (
        _("“%(host)s” does not finish its greeting."),
        _("Check port and server; if they are right, ask the mail provider."),
    ),
    "login-not-offered": (
        _("“%(host)s” offers no log-in on port %(port)s."),
        _("Servers inside the own network often send without one; submission at a provider uses port 465 or 587."),
    ),
    "smtputf8-missing": (
        _("The server cannot send to an address with these letters."),
        _("Use an address without umlauts before the @."),
    ),
    "message-too-big": (
        _("The server takes no message of this size."),
        _("Ask the mail provider how large a message may be."),
    ),
    "sending-limit": (
        _("The provider allows no more messages for now."),
        _("Wait until its limit is over, often an hour or a day."),
    ),
    "greylisted": (
        _("The server makes unknown senders wait (greylisting)."),
        _("Test again in a few minutes. Real mail is tried again by itself."),
    ),
    "relay-denied": (
        _("The server does not pass mail on to other domains without a log-in."),
        _("Choose a log-in for sending, or the server of your own provider."),
    ),
    "recipient-refused": (
        _("The server does not know the recipient “%(address)s”."),
        _("Check the address the test message goes to."),
    ),
    "sender-refused": (
        _("This log-in may not send under the address of this mailbox."),
        _("Check the mailbox's address, or have the provider allow this log-in to send under it."),
    ),
    "content-refused": (
        _("The server refused the test message because of its rules against spam."),
        _("Ask the mail provider; often the address of this machine is on a block list."),
    ),
    "message-refused": (
        _("The server refused the test message."),
        _("Its words are beside; ask the mail provider what they mean."),
    ),
    "inbox-is-root": (
        _("All folders of this server lie below the inbox."),
        _("Choose “inbox is root”; then they are shown beside it."),
    ),
    "no-idle": (
        _("The server does not say when new mail comes (no IDLE)."),
        _("Switch off “at once” and choose an interval; mail then comes a little later."),
    ),
    "sent-missing": (
        _("There is no folder for sent mail on the server."),
        _("Create one, choose a folder, or keep sent mail here only."),
    ),
    "sent-ambiguous": (
        _("Several folders could be the one for sent mail."),
        _("Choose the right one, so that other programs find it as well."),
    ),
    "mailbox-almost-full": (
        _("The mailbox on the server is full to %(percent)s %%."),
        _("Delete mail there or have it enlarged before nothing arrives any more."),
    ),
    "uidl-missing": (
        _("The server does not number its messages for good (no UIDL)."),
        _("Each is compared by its content instead, which takes longer. Use IMAP if the provider offers it."),
    ),
    "cannot-be-checked": (
        _("The test message was sent to “%(address)s”, which cannot be looked into from here."),
        _("Ask the recipient whether it has arrived."),
    ),
    "not-arrived": (
        _("The test message was sent, but has not arrived within %(seconds)s seconds."),
        _("It may come later. Look into the mailbox's web page, also for spam; check the address of the mailbox."),
    ),
    "arrived-in-spam": (
        _("The test message arrived in the spam folder."),
        _("Mark the sender as wanted there; recipients may see your mail as spam too. Ask the mail provider about SPF and DKIM."),
    ),
    "sent-copy-twice": (
        _("The sent message lies twice in the folder for sent mail."),
        _("The provider files copies itself, and something else does as well. Look for rules on its web page."),
    ),
    "host-internal": (
        _("“%(host)s” lies inside the own network (%(addresses)s)."),
        _("If that is meant, allow it: here, or under “Exceptions”. It holds for every mailbox, and the journal names who did it."),
    ),
    "port-closed-here": (
        _("Port %(port)s of “%(host)s” is not one that mail servers use."),
        _("Check the port: usually 993 for receiving and 465 or 587 for sending. If it is right, allow the server: here, or under “Exceptions”."),
    ),
    "host-never": (
        _("“%(host)s” (%(addresses)s) is never reached from here."),
        _("It is this installation itself, or where the machine keeps its secrets. Enter the mail server."),
    ),
    "egress-unknown": (_("This server is not among those allowed here."), _("Reload the page; somebody else may have been faster.")),
    "http-address": (
        _("A web server sent us to an address that is not allowed."),
        _("Enter the servers by hand."),
    ),
    "http-redirects": (
        _("“%(host)s” sends us from one address to the next."),
        _("Enter the servers by hand."),
    ),
    "http-too-big": (
        _("“%(host)s” sends far more than it was asked for."),
        _("Enter the servers by hand."),
    ),
    "http-broken": (
        _("“%(host)s” answers in a way nobody understands."),
        _("Enter the servers by hand."),
    ),
    "http-timeout": (
        _("“%(host)s” took too long to answer."),
        _("Try again, or enter the servers by hand."),
    ),
    "too-many-probes": (
        _("That were too many tests within an hour."),
        _("Wait a while; the number is limited so that no provider locks a mailbox."),
    ),
    "probes-busy": (
        _("Too many tests are running at this moment."),
        _("Try again in a minute."),
    ),
}  # fmt: skip
"""Every code an error can carry."""

REASONS: Mapping[str, Text] = {
    "missing": _("Please fill this in."),
    "not-text": _("This must be text."),
    "not-a-list": _("This must be a list."),
    "not-an-object": _("This must be a group of fields."),
    "unknown-field": _("There is no such field."),
    "unknown-value": _("This value is not known here."),
    "not-available": _("This is not available yet in this version."),
    "control-character": _("This contains a line break or another invisible character. Remove it."),
    "too-long": _("This is too long."),
    "not-a-host": _("This is not a server name. It looks like mail.example.org, without https:// and without a port."),
    "not-a-server": _(
        "This is not a server: an address such as 192.168.1.10, a network such as 10.0.0.0/8, or a server name."
    ),
    "network-too-large": _("This network is too large. The largest ones are 10.0.0.0/8 and fc00::/7."),
    "never-allowed": _("This address can never be allowed: it is where the machine keeps its secrets, or nowhere."),
    "not-a-port": _("A port is a number from 1 to 65535."),
    "not-an-address": _("This is not an e-mail address. It looks like name@example.org."),
    "not-a-flag": _("This is not a mark a message can carry."),
    "not-json": _("This is not valid JSON."),
    "not-base64": _("This is not valid base64."),
    "not-a-number": _("This must be a whole number."),
    "not-true-or-false": _("This must be true or false."),
    "out-of-range": _("This number is outside the range allowed here."),
    "too-many": _("These are too many."),
    "not-an-id": _("This is not a Message-ID."),
    "contradiction": _("This does not go together with the other settings. Leave it empty or change those."),
    "taken": _("This is taken already. Choose another one."),
    "too-short": _("Use at least 12 characters."),
    "too-common": _("This is too easy to guess. A short sentence is better and easy to remember."),
    "cannot-send": _("This mailbox has no way out. Choose another sender."),
    "not-an-identity": _("This mailbox cannot send under this address."),
    "unknown-user": _("Nobody with this e-mail address or id can log in here."),
    "nobody-administers": _("Somebody must administer this mailbox. Tick it for at least one person."),
    "needed-again": _("Server, encryption or user name have changed: please enter the password again."),
    "cannot-see": _("This person may not see the message."),
    "is-a-search": _("This is a saved search: open it as a search."),
    "not-readable": _("This file cannot be read."),
    "not-a-date": _("This is not a date. It looks like 2026-03-31."),
    "not-a-fingerprint": _("This is not a fingerprint: 64 hexadecimal digits (SHA-256)."),
    "not-a-certificate": _("This must hold a certificate and its private key in PEM form."),
    "not-for-a-folder": _("On one folder only “see” and “process” can be granted."),
    "too-far-ahead": _("An exception without a check lasts 90 days at most. Choose an earlier day, or leave it empty."),
    "ends-before-it-begins": _("This lies before the beginning."),
    "archive-has-no-server": _("An archive lies here only: it has no servers and no log-in."),
    "folders-need-imap": _("Only IMAP knows folders. Switch this off, or choose IMAP."),
    "trash-needs-imap": _(
        "POP3 knows no trash. Leave the message on the server, have it deleted there at once or after some days, or choose IMAP."
    ),
    "another-office-account": _("Another mailbox is the office account already. There can be only one."),
    "notice-unread": _("Please read the notice and confirm it."),
    "unknown-group": _("There is no such group."),
    "unknown-folder": _("There is no such folder."),
    "unknown-login": _("There is no such log-in, or you may not use it."),
    "unknown-server": _("There is no such outgoing server, or you may not use it."),
    "does-not-match": _("This is not the stored password."),
    "only-administrators": _("Only administrators may choose this."),
    "switched-off-here": _("This is switched off in this installation."),
    "one-way": _("An archive stays an archive."),
    "not-a-table": _(
        "This is not a table of mailboxes: the first line names the columns, the next ones hold a mailbox each."
    ),
    "wrong-number-of-cells": _("This line has more or fewer cells than there are columns."),
    "below-itself": _("A folder cannot be moved below itself."),
    "inbox-stays": _("The inbox stays the inbox."),
    "not-in-a-template": _("This belongs to one mailbox, not into a template."),
}
"""Every reason `Invalid` can give for a field."""

DEFECTS: Mapping[str, Text] = {
    "too-many-parameters": _("A part describes itself at excessive length; some of it was ignored."),
    "too-deep": _("Shown cut: the parts are nested too deeply."),
    "too-many-parts": _("Shown cut: the message has too many parts."),
    "no-boundary": _("The message says it has parts, but not where they begin."),
    "no-closing-boundary": _("A part has no end; the message may be incomplete."),
    "header-too-big": _("Shown cut: the header is too large."),
    "unterminated-header": _("The header has no end; the message may be incomplete."),
    "stray-header-line": _("The header contains a line that does not belong there."),
    "too-many-fields": _("Shown cut: the header has too many lines."),
    "no-blank-line": _("Nothing separates header and text."),
    "unreadable": _("This message is too much for its reader and cannot be shown here."),
}
"""Every defect the scanner can find in a message."""

JOURNAL: Mapping[str, Text] = {
    "office-created": _("The office was set up"),
    "user-added": _("Person added"),
    "token-added": _("Access token created"),
    "token-revoked": _("Access token revoked"),
    "sessions-ended": _("Logged out elsewhere"),
    "second-factor-added": _("Second factor set up"),
    "second-factor-removed": _("Second factor removed"),
    "second-factor-reset": _("Second factor reset by an administrator"),
    "second-factor-required": _("Who must have a second factor was changed"),
    "recovery-codes-made": _("New recovery codes"),
    "sign-on-linked": _("Linked to the identity provider"),
    "account-added": _("Mailbox added"),
    "account-changed": _("Mailbox changed"),
    "account-removed": _("Mailbox removed"),
    "account-suspended": _("Mailbox stopped: a person is needed"),
    "notice-changed": _("Notice before a new mailbox changed"),
    "egress-allowed": _("Internal server allowed"),
    "egress-revoked": _("Internal server no longer allowed"),
    "alarm-sent": _("Mail sent to those who can act: the mailbox stands still"),
    "account-resumed": _("Mailbox works again"),
    "account-troubled": _("Mailbox has passing trouble"),
    "folders-listed": _("Folders listed"),
    "messages-arrived": _("Messages arrived"),
    "messages-changed": _("Messages changed on the server"),
    "messages-removed": _("Messages left the server"),
    "messages-looked-up": _("Messages shown live from the server"),
    "messages-kept": _("Messages shown live are kept from now on"),
    "message-set-aside": _("Message set aside"),
    "loss-suspected": _("Suspicious loss on the server"),
    "loss-accepted": _("Loss accepted"),
    "flags-changed": _("Marked"),
    "errand-refused": _("The server refused a change"),
    "errand-undone": _("Taken back"),
    "messages-moved": _("Moved"),
    "messages-copied": _("Copied"),
    "messages-deleted": _("Deleted"),
    "message-appended": _("Message put into a folder"),
    "folder-created": _("Folder created"),
    "folder-renamed": _("Folder renamed"),
    "folder-deleted": _("Folder deleted"),
    "folder-changed": _("Folder set up"),
    "outgoing-submitted": _("Message written"),
    "outgoing-changed": _("Sending went on"),
    "outgoing-released": _("Message sent on by a person"),
    "outgoing-discarded": _("Message discarded in the outbox"),
    "outbox-held": _("Data restored: what waited in the outbox is held"),
    "sync-requested": _("Send/receive asked for"),
    "ledger-missing": _("The comparison with the server found messages missing here"),
    "ledger-extra": _("The comparison with the server found messages it no longer has"),
    "set-aside-retried": _("Messages set aside are tried again"),
    "transcript-started": _("Protocol transcript switched on"),
    "transcript-stopped": _("Protocol transcript switched off"),
    "assigned": _("Assigned"),
    "status-changed": _("Status of the work changed"),
    "follow-up-set": _("Follow-up date set"),
    "follow-up-due": _("Follow-up is due"),
    "note-added": _("Note written"),
    "note-changed": _("Note changed"),
    "note-removed": _("Note removed"),
    "answering-changed": _("Somebody began or stopped answering"),
    "tag-changed": _("Tag named"),
    "tag-removed": _("Name of a tag removed"),
    "tree-arranged": _("Own folder tree arranged"),
    "shared-tree-arranged": _("Shared folder tree arranged"),
    "grants-changed": _("Rights on a mailbox changed"),
    "exception-made": _("Exception from safe connections made"),
    "exception-ended": _("Exception from safe connections ended"),
    "account-converted": _("Mailbox turned into an archive"),
    "account-moved": _("Mailbox moved to another provider"),
    "login-added": _("Log-in added"),
    "login-changed": _("Log-in changed"),
    "login-removed": _("Log-in removed"),
    "password-changed": _("Password changed"),
    "outgoing-server-added": _("Outgoing server added"),
    "outgoing-server-changed": _("Outgoing server changed"),
    "outgoing-server-removed": _("Outgoing server removed"),
    "template-added": _("Template added"),
    "template-changed": _("Template changed"),
    "template-removed": _("Template removed"),
    "group-added": _("Group added"),
    "group-changed": _("Group changed"),
    "group-removed": _("Group removed"),
    "hand-over-created": _("Hand-over link created"),
    "hand-over-used": _("Password entered through the hand-over link"),
    "user-changed": _("Person changed"),
    "user-invited": _("Person invited"),
    "user-blocked": _("Person blocked"),
    "user-unblocked": _("Person may log in again"),
    "mailboxes-handed-over": _("Mailboxes handed over to somebody else"),
    "accounts-imported": _("Mailboxes imported"),
    "accounts-exported": _("Mailboxes exported"),
}
"""Every kind of journal entry."""

LABELS: Mapping[str, Text] = {
    "$label1": _("Important"),
    "$label2": _("Work"),
    "$label3": _("Personal"),
    "$label4": _("To do"),
    "$label5": _("Later"),
}
"""The five labels Thunderbird brings along, as it calls them."""

_UNKNOWN = (_("Something went wrong (%(code)s)."), _("Try again. If it stays so, tell whoever runs this installation."))


def sentence(error: PoststelleError | str, facts: Mapping[str, object] | None = None) -> Wording:
    """An error, or its code and facts, in words. An unknown code gets a general sentence that names it."""
    code, given = (error.code, error.facts) if isinstance(error, PoststelleError) else (error, facts or {})
    title, advice = CODES.get(code, _UNKNOWN)
    told: defaultdict[str, object] = defaultdict(lambda: "…", given)
    told["code"] = code
    return Wording(str(title) % told, str(advice) % told)


def of_trouble(trouble: TroubleRecord) -> Wording:
    """Recorded trouble in words."""
    return sentence(trouble.code, trouble.facts)


def field_sentence(reason: str) -> str:
    """Why a field cannot be accepted."""
    return str(REASONS.get(reason, _("This cannot be accepted (%(reason)s).") % {"reason": reason}))


def field_sentences(error: Invalid) -> dict[str, str]:
    """Every wrong field of an error with its sentence."""
    return {path: field_sentence(reason) for path, reason in error.fields.items()}


def defect_sentence(code: str) -> str:
    """What is broken about a message."""
    return str(DEFECTS.get(code, _("The message breaks the rules (%(code)s).") % {"code": code}))


def journal_sentence(kind: str) -> str:
    """What happened, for people."""
    return str(JOURNAL.get(kind, kind))


def tag_name(tag: TagRecord) -> str:
    """What a tag is called: as the office says, or as the program does that brought it."""
    return tag.name if tag.is_defined else str(LABELS.get(tag.keyword.lower(), tag.name))


def server_words(facts: Mapping[str, object]) -> str:
    """What the server said, to be quoted: one line, at most 300 characters, control characters shown."""
    said = str(facts.get("answer") or facts.get("text") or facts.get("reason") or "")
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in said)[:300]
