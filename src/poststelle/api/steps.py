"""Tests over HTTP: one JSON document per line, each as its step ends (application/x-ndjson)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import StreamingHttpResponse
from django.utils import translation
from ninja import Query
from pydantic import Field

from poststelle.api.shapes import Shape
from poststelle.mail.records import Step
from poststelle.office.advice import fix_sentence
from poststelle.office.wording import sentence


class ProbeFix(Shape):
    """A setting that would help."""

    code: str = Field(description="Stable word for what it does.")
    title: str = Field(description="The same in words, as for a button.")
    change: dict[str, Any] = Field(description="What to merge into the account document (RFC 7396).")


class ProbeStep(Shape):
    """One step of a test: one line of the stream."""

    direction: Literal["incoming", "outgoing", ""] = Field(
        description="Which way is tested; empty for what is kept at the end."
    )
    name: str = Field(
        description="What was tried: `resolve`, `connect`, `tls`, `greeting`, `login`, `folders`, `send`, `arrival`, `sent-copy`, "
        "`clean-up`; noticed: `prefix`, `push`, `sent-folder`, `quota`, `numbering`; `kept`: the secret. Of an identity provider: `document`, `endpoints`, `keys`, `asking-again`."
    )
    state: Literal["ok", "warned", "failed", "skipped"] = Field(
        description="How it went; `warned`: it works, but see `title`. After a failure the rest is skipped."
    )
    seconds: float = Field(description="How long it took.")
    detail: dict[str, Any] = Field(description="What was found out, or what is known about the failure.")
    error: str | None = Field(description="Stable word for what went wrong.")
    title: str | None = Field(description="The same as a sentence, in the language of the request.")
    advice: str | None = Field(description="What to do about it.")
    fixes: list[ProbeFix] = Field([], description="Settings that would help, best first.")
    account: str | None = Field(None, description="Label of the mailbox, where several are tested.")

    @classmethod
    def of(cls, step: Step, account: str | None = None) -> ProbeStep:
        """The step as it is told, in the language now active."""
        wording = sentence(step.error, step.detail) if step.error else None
        return cls.model_validate(
            {
                "direction": step.direction, "name": step.name, "state": step.state, "seconds": round(step.seconds, 3),
                "detail": json.loads(json.dumps(dict(step.detail), default=str)), "error": step.error,
                "title": wording.title if wording else None, "advice": wording.advice if wording else None,
                "fixes": [{"code": fix.code, "title": fix_sentence(fix), "change": fix.change} for fix in step.fixes],
                "account": account,
            }
        )  # fmt: skip


LINES = {
    "responses": {
        200: {
            "description": "One step per line, each as it ends.",
            "content": {"application/x-ndjson": {"schema": ProbeStep.model_json_schema(mode="serialization")}},
        }
    }
}
"""What an operation that answers with steps says of itself."""


Recipient = Annotated[
    str, Query(description="Send a test message to this address; the account's own is looked into afterwards.")
]


async def streamed(steps: AsyncIterator[Step | tuple[str, Step]], language: str) -> StreamingHttpResponse:
    """The steps as they happen; each may come with the label of its mailbox. Refusals are raised here, before the first line."""
    first = await anext(steps, None)
    return StreamingHttpResponse(_lines(first, steps, language), content_type="application/x-ndjson")


async def _lines(
    first: Step | tuple[str, Step] | None, more: AsyncIterator[Step | tuple[str, Step]], language: str
) -> AsyncIterator[str]:
    if first is not None:
        yield _line(first, language)
    async for step in more:
        yield _line(step, language)


def _line(one: Step | tuple[str, Step], language: str) -> str:
    account, step = one if isinstance(one, tuple) else (None, one)
    with translation.override(language):
        return json.dumps(ProbeStep.of(step, account).model_dump(), ensure_ascii=False) + "\n"
