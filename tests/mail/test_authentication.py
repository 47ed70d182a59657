"""Authentication-Results: only a trusted server's word counts, and only its topmost one."""

from __future__ import annotations

import time

import pytest

from poststelle.mail.authentication import Verdict, parse, verdict
from poststelle.mail.message import parse as parse_message


def said(*values: str, trusted: tuple[str, ...] = ("example.org",)) -> Verdict | None:
    lines = [f"Authentication-Results: {value}" for value in values]
    return verdict(parse_message("\r\n".join([*lines, "From: a@b.test", "", "x"]).encode()).headers, trusted)


def test_results_of_a_trusted_server_are_read() -> None:
    found = said(
        'mx.example.org 1; spf=pass (mx: "ok; really" says) smtp.mailfrom=kunde.test; dkim=fail header.d=other.test;\r\n'
        "\tdkim=pass header.d=kunde.test header.s=x; dmarc=pass (p=reject) header.from=kunde.test; arc=none"
    )
    assert found == Verdict("mx.example.org", "pass", "pass", "pass", "kunde.test")
    assert (found.passed, found.failed) == (True, False)


def test_what_anybody_else_wrote_counts_for_nothing() -> None:
    assert said("mx.attacker.test; dmarc=pass header.from=bank.test") is None
    assert said("notexample.org; dmarc=pass") is None
    assert said("example.org.attacker.test; dmarc=pass") is None
    assert said() is None


def test_of_two_words_of_the_same_server_the_topmost_counts() -> None:
    found = said("mx.example.org; dmarc=fail", "mx.example.org; dmarc=pass")
    assert found is not None
    assert (found.passed, found.failed) == (False, True)
    found = said("elsewhere.test; dmarc=pass", "MX.Example.ORG.; spf=softfail")
    assert found is not None
    assert (found.spf, found.dmarc, found.failed) == ("softfail", "", False)


def test_microsofts_headers_without_a_server_are_believed_only_there() -> None:
    value = "spf=pass (sender IP is 1.2.3.4) smtp.mailfrom=kunde.test; dkim=none; dmarc=pass action=none header.from=kunde.test"
    assert said(value) is None
    found = said(value, trusted=("outlook.com", ""))
    assert found == Verdict("", "pass", "none", "pass", "kunde.test")


def test_without_dmarc_a_failed_spf_without_a_signature_is_a_failure() -> None:
    for value, failed in (("spf=fail", True), ("spf=fail; dkim=pass header.i=@k.test", False), ("spf=none", False)):
        found = said(f"example.org; {value}")
        assert found is not None
        assert found.failed is failed


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "=",
        "a=b=c;;=",
        "example.org; none",
        '"',
        "((((",
        "example.org; dmarc=invented",
        "x;" * 50_000,
        "(" * 100_000,
        '"\\' * 50_000,
    ],
)
def test_any_text_gives_results_and_quickly(text: str) -> None:
    began = time.process_time()
    parse(text)
    said(text)
    assert time.process_time() - began < 1
