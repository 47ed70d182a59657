"""Every address of the installation: the pages, log-in, and the API."""

from __future__ import annotations

from allauth.account.views import account_inactive, login, logout
from django.urls import include, path

from poststelle.run import monitoring
from poststelle.web import live
from poststelle.web.pages import account_events, entry, files, health, mail, mailboxes, people, write

urlpatterns = [
    path("", entry.home, name="home"),
    path("setup/<str:token>", entry.set_up, name="set-up"),
    path("login", login, name="account_login"),
    path("logout", logout, name="account_logout"),
    path("blocked", account_inactive, name="account_inactive"),
    path("mail/", mail.start, name="mail"),
    path("mail/tree/", mail.tree, name="tree"),
    path("mail/receive/", mail.send_receive, name="send-receive"),
    path("mail/search/", mail.search, name="search"),
    path("mail/search/m/<str:placement>/", mail.message, name="found"),
    path("mail/f/<str:folder>/", mail.folder, name="folder"),
    path("mail/f/<str:folder>/m/<str:placement>/", mail.message, name="message"),
    path("mail/m/<str:placement>/mark/", mail.marks, name="mark"),
    path("mail/m/<str:placement>/html/<str:signature>", files.frame, name="mail-frame"),
    path("mail/m/<str:placement>/attachment/<int:number>/", files.attachment, name="attachment"),
    path("mail/m/<str:placement>/original.eml", files.original, name="original"),
    path("write/", write.write, name="write"),
    path("outbox/", write.sent_items, name="outbox"),
    path("outbox/<str:number>/note/", write.note, name="note"),
    path("mailboxes/", mailboxes.mailboxes, name="mailboxes"),
    path("mailboxes/new/", mailboxes.add, name="mailbox-new"),
    path("mailboxes/test/", mailboxes.probe, name="probe-new"),
    path("mailboxes/<str:account>/", mailboxes.change, name="mailbox"),
    path("mailboxes/<str:account>/test/", mailboxes.probe, name="probe"),
    path("mailboxes/<str:account>/remove/", mailboxes.remove, name="mailbox-remove"),
    path("mailboxes/<str:account>/retry/", mailboxes.retry, name="mailbox-retry"),
    path("mailboxes/<str:account>/accept-loss/", mailboxes.accept_loss, name="accept-loss"),
    path("mailboxes/<str:account>/events/", account_events.log, name="mailbox-events"),
    path("mailboxes/<str:account>/transcript/", account_events.switch_transcript, name="mailbox-transcript"),
    path("mailboxes/<str:account>/transcript.txt", account_events.transcript, name="mailbox-transcript-file"),
    path("mailboxes/<str:account>/ledger/", health.account_ledger, name="mailbox-ledger"),
    path("mailboxes/<str:account>/ledger/compare/", health.compare, name="ledger-compare"),
    path("health/", health.board, name="health"),
    path("ledger/", health.ledger_overview, name="ledger"),
    path("unreadable/", health.unreadable, name="unreadable"),
    path("unreadable/<str:folder>/retry/", health.try_again, name="unreadable-retry"),
    path("journal/", health.journal, name="journal"),
    path("journal/verify/", health.verify, name="verify"),
    path("people/", people.people, name="people"),
    path("me/", people.personal, name="personal"),
    path("me/language/", people.language, name="language"),
    path("me/theme/", people.theme, name="theme"),
    path("me/token/", people.token, name="token"),
    path("live/", live.live, name="live"),
    path("api/v1/", include("poststelle.api.urls")),
    path("healthz", monitoring.alive, name="alive"),
    path("readyz", monitoring.ready, name="ready"),
    path("metrics", monitoring.metrics, name="metrics"),
]

handler404 = "poststelle.web.entrance.not_found"
