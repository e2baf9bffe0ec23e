"""A server on this machine that speaks as much of OpenAI's chat completions as tests need, and fails as it is told."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from typing import Any

Trouble = int | str
"""A status to answer with, or what happens: "drop" (the connection ends within the reply), "slow", "html", "empty"."""


class ChatServerStandIn(ThreadingHTTPServer):
    """say: the text of the messages → the answer. model: the only one that it has; key: who gives no such is refused.

    troubles: what happens to the next requests, one each; after them all goes well. pictures, tells_logprobs,
    takes_logprobs: what it can. bodies: of the requests that came, in order; keys: their Authorization.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.say: Callable[[str], str] = lambda _: "Lung"
        self.model = "tiny-vl"
        self.key: str | None = None
        self.pictures = self.tells_logprobs = self.takes_logprobs = True
        self.fingerprint: str | None = "fp_1"
        self.troubles: deque[Trouble] = deque()
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: ChatServerStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self.send(404, {})
        self.send(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.bodies.append(body)
        server.keys.append(self.headers.get("Authorization"))
        trouble = server.troubles.popleft() if server.troubles else None
        parts = [part for message in body["messages"] for part in parts_of(message["content"])]
        told = "".join(part.get("text", "") for part in parts)
        if isinstance(trouble, int):
            return self.send(trouble, {"error": {"message": f"trouble with: {told}"}}, {"Location": "/v1/elsewhere"})
        if trouble == "slow":
            time.sleep(0.5)
        if self.path != "/v1/chat/completions" or body["model"] != server.model:
            return self.send(404, {"error": {"message": "no such model"}})
        if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
            return self.send(401, {"error": {"message": f"bad key {self.headers.get('Authorization')}"}})
        if not server.pictures and any(part["type"] == "image_url" for part in parts):
            return self.send(400, {"error": {"message": f"no pictures, please: {told}"}})
        if not server.takes_logprobs and "logprobs" in body:
            return self.send(400, {"error": {"message": "logprobs?"}})
        if trouble == "html":
            return self.send_bytes(200, b"<html>hello</html>", {"Content-Type": "text/html"})
        choices = [] if trouble == "empty" else [self.choice(server.say(told))]
        reply = {"id": "1", "object": "chat.completion", "created": 0, "model": server.model, "choices": choices}
        if server.fingerprint:
            reply["system_fingerprint"] = server.fingerprint
        self.send(200, reply, breaks=40 if trouble == "drop" else None)

    def choice(self, text: str) -> dict[str, Any]:
        tokens = [{"token": word, "logprob": log(0.5), "bytes": None, "top_logprobs": []} for word in text.split()]
        return {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": tokens} if self.server.tells_logprobs else None,
        }

    def send(self, status: int, content: object, headers: dict[str, str] | None = None, breaks: int | None = None):
        more = {"Content-Type": "application/json", **(headers or {})}
        self.send_bytes(status, json.dumps(content).encode(), more, breaks)

    def send_bytes(self, status: int, content: bytes, headers: dict[str, str], breaks: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:breaks])
        if breaks is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def parts_of(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
