"""A stand-in for an OpenID Connect provider: it knows one user and asks for no password."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET, USER = "medfly-viewer", "only-for-tests", "reader@hospital.example"


class Provider(ThreadingHTTPServer):
    """address: http://localhost:PORT. It refuses a client that is not CLIENT, and a code that it did not give."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://localhost:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.nonces: dict[str, str | None] = {}
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def secrets(self) -> str:
        """The file that `medfly app --login` takes. Streamlit puts its own port into {port}."""
        return f"""[auth]
redirect_uri = "http://localhost:{{port}}/oauth2callback"
cookie_secret = "thirty-two-letters-only-for-tests"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{self.address}/.well-known/openid-configuration"
"""

    def token(self, code: str) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.address, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 600, "email": USER}
        nonce = self.nonces.pop(code)
        claims |= {"nonce": nonce} if nonce else {}
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        return {"access_token": "access", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


class Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        url, at = urlsplit(self.path), self.server.address
        if url.path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self._json(
                {"issuer": at, "id_token_signing_alg_values_supported": ["RS256"]}
                | {name: f"{at}/{path}" for name, path in ends.items()}
            )
        elif url.path == "/keys":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        elif url.path == "/authorize":
            self._authorize({name: values[0] for name, values in parse_qs(url.query).items()})
        else:
            self.send_error(404)

    def _authorize(self, asked: dict[str, str]) -> None:
        if asked.get("client_id") != CLIENT:
            self.send_error(400)
            return
        code = f"code-{len(self.server.nonces)}-{time.monotonic_ns()}"
        self.server.nonces[code] = asked.get("nonce")
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")
        self.end_headers()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        given = self.headers.get("Authorization", "Basic ").removeprefix("Basic ")
        known = b64decode(given).decode() == f"{CLIENT}:{SECRET}"
        if not known or form["code"][0] not in self.server.nonces:
            self.send_error(401)
            return
        self._json(self.server.token(form["code"][0]))

    def _json(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed into the tests' output."""
