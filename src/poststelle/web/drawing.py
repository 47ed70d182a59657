"""Rows of lists and lines of trees as HTML: there are hundreds on a page, and a template's machinery costs ten times what they say.

Law: every piece goes through `web.markup`, which escapes what is not markup already. A drawer belongs to one answer: it looks its words
up once. What a row or a line says is decided elsewhere (`web.lists`, `web.tree`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

from poststelle.mail.listing import Status
from poststelle.mail.ports import FLAGGED, SEEN
from poststelle.mail.tree import EntryKind, TreeAccount
from poststelle.office import wording
from poststelle.web.lists import DrawnRow
from poststelle.web.markup import Markup, joined, markup
from poststelle.web.readable import Marker
from poststelle.web.telling import STATUSES
from poststelle.web.templatetags.icons import lucide
from poststelle.web.tree import Twig

_NOTHING, _OPEN, _HERE, _MANUAL = map(Markup, ("", ' aria-current="true"', ' aria-current="page"', " data-manual"))
_MOST_TAGS = 3
_MOMENTS = 20_000
_ROW = (
    '<li class="row{0}" id="row-{1}" data-id="{1}" data-folder="{2}"{3}>\n<label class="pick"><input type="checkbox" name="ids" value="{1}"'
    ' form="acts" aria-label="{4} {5}"><span class="who hue-{6}" aria-hidden="true">{7}</span></label>\n<a href="{8}" hx-get="{8}"'
    ' hx-target="#reader" hx-push-url="true" hx-sync="#reader:replace">\n{9}\n<span class="row-marks">{10}</span></a></li>\n'
)


class Moments:
    """Moments in the reader's language and time, as lists (`short`) and heads (`long`) write them."""

    def __init__(self) -> None:
        self._language = get_language() or ""
        self._today = timezone.localdate()
        self._full = pgettext("date format: full", "D, j F Y, H:i")
        self._weekday = pgettext("date format: weekday and time", "D H:i")
        self._day = pgettext("date format: day and month", "j M")
        self._date = pgettext("date format: date", "j M Y")

    def short(self, moment: datetime) -> str:
        """The time today, the weekday this week, day and month this year, else the date."""
        local = timezone.localtime(moment)
        return _written(local.replace(second=0, microsecond=0), self._shape(local.date()), self._language)

    def long(self, moment: datetime) -> str:
        """Weekday, date and time."""
        return _written(timezone.localtime(moment).replace(second=0, microsecond=0), self._full, self._language)

    def _shape(self, day: date) -> str:
        if day == self._today:
            return "H:i"
        if timedelta(0) < self._today - day < timedelta(days=6):
            return self._weekday
        return self._day if day.year == self._today.year else self._date


@lru_cache(_MOMENTS)
def _written(minute: datetime, shape: str, _language: str) -> str:
    return date_format(minute, shape)


class Rows:
    """Draws the rows of one list: which columns in which order, what was looked for, which message (id) is open."""

    def __init__(self, columns: Sequence[str], looked_for: Sequence[str], opened: str) -> None:
        self._columns = [(at, name) for at, name in enumerate(columns, 1)]
        self._marked, self._opened, self._moments = Marker(looked_for), opened, Moments()
        self._select, self._no_subject, self._unread = _("Select:"), _("(no subject)"), _("Unread:")
        self._messages, self._star = _("messages"), lucide("star", size=14)

    def draw(self, one: DrawnRow) -> Markup:
        """One row."""
        item, row = one.item, one.item.placement
        unread = SEEN not in row.flags
        marks = (" unread" if unread or item.unread else "", " flagged" if FLAGGED in row.flags else "", " new" if item.is_new else "")  # fmt: skip
        current = _OPEN if row.id == self._opened else ""
        said, small = [], []
        for at, name in self._columns:
            if drawn := self._said(one, at, name, unread=unread):
                said.append(drawn)
            elif drawn := self._small(one, at, name):
                small.append(drawn)
        small += self._signs(one)
        return markup(
            _ROW, "".join(marks), row.id, row.folder_id, current, self._select, row.subject or self._no_subject, one.hue, one.initials,
            one.url, joined(said), joined(small),
        )  # fmt: skip

    def _said(self, one: DrawnRow, at: int, name: str, *, unread: bool) -> Markup:
        row = one.item.placement
        if name == "sender":
            return markup('<span class="row-from o-{}">{}{}</span>', at, self._marked(one.people), self._many(one.item.count))  # fmt: skip
        if name == "subject":
            hidden = markup('<span class="hidden">{} </span>', self._unread) if unread else ""
            subject = self._marked(row.subject or self._no_subject)
            return markup('<span class="row-subject o-{}">{}{}</span>', at, hidden, subject)
        if name == "preview":
            return markup('<span class="row-line o-{}">{}</span>', at, self._marked(one.line))
        if name == "date":
            short, long = self._moments.short(row.received_at), self._moments.long(row.received_at)
            machine = row.received_at.isoformat()
            return markup('<time class="o-{}" datetime="{}" title="{}">{}</time>', at, machine, long, short)
        return _NOTHING

    def _many(self, count: int) -> Markup:
        if count <= 1:
            return _NOTHING
        return markup(' <small class="many">{}<span class="hidden"> {}</span></small>', count, self._messages)

    def _small(self, one: DrawnRow, at: int, name: str) -> Markup:
        row = one.item.placement
        if name == "tags":
            tags = ((tag.colour or "grey", tag.name) for tag in one.item.tags[:_MOST_TAGS])
            inside = joined([markup('<span class="tag tag-{}">{}</span>', *tag) for tag in tags])
            return markup('<span class="o-{} tags">{}</span>', at, inside) if inside else _NOTHING
        if name == "assignee" and one.item.task is not None:
            return self._task(one, at)
        if name == "attachments" and row.has_attachments:
            return _sign(at, "paperclip", _("with attachment"))
        if name == "account" and one.account:
            return markup('<span class="o-{} row-account">{}</span>', at, one.account)
        if name == "size":
            return markup('<span class="o-{} row-size">{}</span>', at, filesizeformat(row.size))
        return _NOTHING

    def _task(self, one: DrawnRow, at: int) -> Markup:
        task = one.item.task
        assert task is not None
        due = lucide("calendar-clock", size=14, role="img", aria_label=_("follow-up is due")) if task.is_due else ""
        status = STATUSES[task.status.value] if task.status is not Status.OPEN else ""
        where = markup('<span class="tag status-{}">{}</span>', task.status.value, status) if status else ""
        who = ""
        if task.assignee is not None:
            who = markup('<span class="tag person" title="{}">{}</span>', task.assignee.name, task.assignee.name)
        if not (due or where or who):
            return _NOTHING
        return markup('<span class="o-{} task">{}{}{}</span>', at, due, where, who)

    def _signs(self, one: DrawnRow) -> list[Markup]:
        """What stands behind every row, whatever its columns."""
        found = []
        if one.item.notes:
            found.append(_sign(9, "sticky-note", _("with notes")))
        if one.item.answer is not None:
            answer = one.item.answer
            who = answer.author.name if answer.author is not None else answer.sender.address
            icon = lucide("reply", size=14, role="img", aria_label=_("answered"))
            found.append(markup('<span class="o-9" title="{}">{}</span>', who, icon))
        return [*found, markup('<span class="star o-9">{}</span>', self._star)]


def _sign(at: int, icon: str, words: str) -> Markup:
    return markup('<span class="o-{}">{}</span>', at, lucide(icon, size=14, role="img", aria_label=words))


class Lines:
    """Draws the lines of the trees: which address is shown (`here`, with its query), the token forms carry, and whether `totals`
    stand beside what is unread."""

    def __init__(self, here: str, token: str, *, totals: bool) -> None:
        self._here, self._path, self._totals = here, here.partition("?")[0], totals
        self._fold, self._unread = reverse("tree-fold"), _("unread")
        self._open, self._close, self._in_all = _("unfold"), _("fold up"), _("in all")
        self._token, self._arrow = token, lucide("chevron-down", size=14)

    def draw(self, twig: Twig) -> Markup:
        """One line."""
        entry = twig.entry
        number = entry.folder_id or entry.account_id
        return markup(
            '<li class="twig-line{}" id="twig-{}-{}" data-key="{}" data-tree="{}" data-kind="{}"{}{}>\n{}\n{}\n{}</li>',
            f"{' branch' if entry.account else ''} depth-{twig.depth}", twig.tree, twig.element, entry.key, twig.tree, entry.kind,
            markup(' data-id="{}"', number) if number else "", _MANUAL if entry.is_manual else "",
            self._handle(twig) if entry.has_children else "", self._name(twig), self._state(twig) if entry.account else "",
        )  # fmt: skip

    def _handle(self, twig: Twig) -> Markup:
        entry = twig.entry
        folded, open_ = ("0", "false") if entry.is_folded else ("1", "true")
        return markup(
            '<form method="post" action="{}" hx-post="{}" hx-target="#tree" hx-swap="outerMorph"><input type="hidden"'
            ' name="csrfmiddlewaretoken" value="{}"><input type="hidden" name="back" value="{}"><input type="hidden" name="key"'
            ' value="{}"><input type="hidden" name="folded" value="{}"><button class="fold" aria-expanded="{}" aria-label="{}: {}">{}'
            "</button></form>",
            self._fold, self._fold, self._token, self._here, entry.key, folded, open_, twig.name,
            self._open if entry.is_folded else self._close, self._arrow,
        )  # fmt: skip

    def _name(self, twig: Twig) -> Markup:
        entry, icon = twig.entry, lucide(twig.icon, size=16)
        if not twig.url:
            return markup('<span class="twig bare" tabindex="0">{}<span>{}</span></span>', icon, twig.name)
        current = self._here == twig.url or self._path.startswith(twig.url)
        count: str = ""
        if entry.unread and (entry.account is None or entry.is_folded):
            count = markup(
                '<b class="count">{}<span class="hidden"> {}</span></b>', _number(entry.unread), self._unread
            )
        if self._totals and entry.kind is EntryKind.FOLDER and entry.total:
            count = markup(
                '{}<small class="count">{}<span class="hidden"> {}</span></small>',
                count,
                _number(entry.total),
                self._in_all,
            )
        return markup(
            '<a class="twig{}" href="{}" hx-get="{}" hx-target="#main" hx-push-url="true"{} title="{}">{}<span>{}</span>{}</a>',
            " unread" if entry.unread else "", twig.url, twig.url, _HERE if current else "",
            entry.account.address if entry.account is not None else self._counts(entry.unread, entry.total),
            icon, twig.name, count,
        )  # fmt: skip

    def _counts(self, unread: int, total: int) -> str:
        return _("%(unread)s unread of %(total)s") % {"unread": _number(unread), "total": _number(total)}

    def _state(self, twig: Twig) -> Markup:
        account = twig.entry.account
        assert account is not None
        if account.trouble is not None:
            return self._trouble(account, may_administer=twig.may_administer)
        if twig.is_coming:
            hint, name = _("Mail is coming in; you can read on meanwhile."), _("Mail coming in")
            left = _("%(n)s to come") % {"n": _number(account.remaining)}
            return markup(
                '<p class="coming" title="{}"><progress aria-label="{}"></progress><small>{}</small></p>',
                hint,
                name,
                left,
            )
        if twig.is_just_added:
            return markup('<p class="coming"><small>{}</small></p>', _("Connecting …"))
        return _NOTHING

    def _trouble(self, account: TreeAccount, *, may_administer: bool) -> Markup:
        assert account.trouble is not None
        words = wording.of_trouble(account.trouble)
        link: str = ""
        if may_administer:
            link = markup(' <a href="{}">{}</a>', reverse("mailbox", args=[account.id]), _("Look at the mailbox"))
        return markup(
            '<details class="trouble{}" id="trouble-{}"><summary>{}<span>{}</span></summary><p>{}{}</p></details>',
            " stopped" if account.state == "suspended" else "", account.id, lucide("triangle-alert", size=14), words.title,
            words.advice, link,
        )  # fmt: skip


def _number(value: int) -> str:
    return number_format(value, force_grouping=True) if value > 999 else str(value)
