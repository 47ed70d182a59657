"""An OpenID Connect provider that says what a test wants it to say: discovery, token and userinfo endpoints on 127.0.0.1.

It plays the whole authorization code flow with PKCE (RFC 7636) and checks what a provider has to check.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT, SECRET = "poststelle", "a secret of the two"


@dataclass
class Provider:
    """`person` is who logs in there next: the claims. `broken`: path → the body it answers with instead; `documents`: the same as JSON."""

    person: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    address: str = ""

    def __enter__(self) -> Provider:
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(provider.look(urlsplit(self.path).path, self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer(provider.exchange({name: values[0] for name, values in parse_qs(sent).items()}))

            def _answer(self, document: dict[str, Any] | None) -> None:
                body = provider.broken.get(urlsplit(self.path).path) or json.dumps(document or {}).encode()
                self.send_response(200 if document is not None else 400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def log_in(self, asked: str) -> str:
        """What the person's browser does at the provider: where it is sent back to."""
        given = {name: values[0] for name, values in parse_qs(urlsplit(asked).query).items()}
        assert given["client_id"] == CLIENT
        assert given["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = given
        return f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"

    def look(self, path: str, authorization: str) -> dict[str, Any] | None:
        """Discovery, keys and userinfo."""
        if path in self.documents:
            return self.documents[path]
        if path == "/keys":
            return {"keys": [{"kty": "RSA", "kid": "1"}]}
        if path == "/.well-known/openid-configuration":
            places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            return {
                "issuer": self.address, "jwks_uri": f"{self.address}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            } | {f"{name}_endpoint": f"{self.address}/{place}" for name, place in places.items()}  # fmt: skip
        return self.person if path == "/userinfo" and authorization == "Bearer access" else None

    def exchange(self, sent: dict[str, str]) -> dict[str, Any] | None:
        """The token endpoint."""
        asked = self.codes.pop(sent.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(sent.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if asked is None or sent.get("client_secret") != SECRET or proof.decode() != asked["code_challenge"]:
            return None
        claims = {"iss": self.address, "aud": CLIENT, "exp": time.time() + 60, **self.person, **self.proof}
        return {"access_token": "access", "token_type": "Bearer", "id_token": jwt.encode(claims, "x" * 32)}
