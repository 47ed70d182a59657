"""A test as a page shows it: its steps as lines of a table, as they happen, and what is to be said at the end.

For the script the lines alone are sent (``X-Lines``); without it they stand in a page of their own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias

from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils import translation

from poststelle.mail.records import Step
from poststelle.office import advice, wording
from poststelle.web.pages.steps import listed_folders, step_found, step_name

Told: TypeAlias = "Step | tuple[str, Step]"
"""A step, or one with the label of the mailbox it belongs to, where several are tried."""
Fields = Callable[[Mapping[str, object]], str]
"""What a remedy changes in the form, as JSON: names of fields and their values; empty where the form cannot hold it."""

_EXCEPTING = ("certificate.mode", "minimum_tls")
_STEPS_GO_HERE = "<!-- steps -->"


def wants_lines(request: HttpRequest) -> bool:
    """Whether the page's script asks, which shows the lines in the form."""
    return request.headers.get("X-Lines") == "1"


def streamed(
    first: Told | None,
    more: AsyncIterator[Told],
    page: str,
    verdict: Callable[[list[Step]], str],
    fields: Fields | None,
) -> StreamingHttpResponse:
    """The lines as an answer; `page` is put around them, `verdict` makes the last one of all steps.

    Without `fields` no remedies are offered: the form does not hold the settings that were tried.
    """
    lines = _lines(first, more, page, verdict, fields, translation.get_language() or "de")
    return StreamingHttpResponse(lines, headers={"X-Accel-Buffering": "no"})


def verdict(steps: list[Step], told: str = "") -> str:
    """The last line: whether everything works, in other words where there are some (`told`), and the way to the report."""
    failed = any(step.state == "failed" for step in steps)
    tried = any(step.name != "kept" for step in steps)
    return render_to_string("parts/probe_end.html", {"failed": failed, "told": told, "reported": tried})


def step_line(step: Step, of: str, fields: Fields | None) -> str:
    """A step of a test as a line of its table, in the language now active. `of`: the mailbox it belongs to, where there are several."""
    offered = [(advice.fix_sentence(one), change) for one in step.fixes if fields and (change := fields(one.change))]
    context = {
        "step": step,
        "of": of,
        "name": step_name(step.direction, step.name),
        "told": wording.sentence(step.error, step.detail) if step.error else None,
        "said": wording.server_words(step.detail) if step.error else "",
        "found": step_found(step.name, step.detail) if step.state == "ok" else "",
        "folders": listed_folders(step),
        "allow": step.detail.get("openable"),
        "certificate": advice.certificate_lines(step.detail),
        "fixes": offered,
        "why": next(filter(None, (_reason_of(change) for _, change in offered)), ""),
    }
    return render_to_string("parts/probe_step.html", context)


def _reason_of(change: str) -> str:
    """The field for the reason of the exception that a remedy makes; empty where it makes none."""
    return next(
        (
            name.replace(made, "exception_reason")
            for name in json.loads(change)
            for made in _EXCEPTING
            if name.endswith(made)
        ),
        "",
    )


async def _lines(
    first: Told | None,
    more: AsyncIterator[Told],
    page: str,
    verdict: Callable[[list[Step]], str],
    fields: Fields | None,
    language: str,
) -> AsyncIterator[str]:
    before, mark, behind = page.partition(_STEPS_GO_HERE)
    if mark:
        yield before
    told: Any = first
    steps: list[Step] = []
    while told is not None:
        of, step = told if isinstance(told, tuple) else ("", told)
        steps.append(step)
        if step.name != "kept":
            with translation.override(language):
                yield step_line(step, of, fields)
        told = await anext(more, None)
    with translation.override(language):
        yield verdict(steps)
    if mark:
        yield behind
