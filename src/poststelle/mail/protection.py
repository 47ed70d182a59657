"""Whether a message comes encrypted or signed, as far as its outermost part says so (RFC 1847, RFC 3156, RFC 8551).

Law: nothing is opened and nothing verified: a word here is never a word of trust. Pure.
"""

from __future__ import annotations

import re

from poststelle.mail.headers import unfold
from poststelle.mail.mime import Part

_ENVELOPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_KIND = re.compile(r"""smime-type\s*=\s*"?([\w-]+)""", re.I)
_SEALED = {"signed-data": "sealed", "certs-only": "", "compressed-data": ""}


def protection(root: Part, text: str) -> str:
    """``encrypted``, ``signed`` (with the text in sight), ``sealed`` (signed, and the text is inside) or "". `text`: what can be read."""
    if root.content_type in _ENVELOPES:
        said = " ".join(unfold(value) for name, value in root.headers if name.lower() == "content-type")
        kind = _KIND.search(said)
        return _SEALED.get(kind[1].lower(), "encrypted") if kind else "encrypted"
    if root.content_type in {"multipart/encrypted", "multipart/signed"}:
        return root.content_type.partition("/")[2]
    begins = text.lstrip()[:40]
    if begins.startswith("-----BEGIN PGP MESSAGE-----"):
        return "encrypted"
    return "signed" if begins.startswith("-----BEGIN PGP SIGNED MESSAGE-----") else ""
