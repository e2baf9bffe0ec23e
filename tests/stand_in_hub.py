"""A server on this machine that speaks as much of the Hugging Face hub's API as tests need."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".bin", ".zip", ".parquet")


class Hub(ThreadingHTTPServer):
    """folders: the repositories by name; that of a data set begins with "datasets/".

    refused: what is answered in place of a path that starts so.
    breaks: file → after how many bytes the connection ends; each one once.
    seen: method, path and Authorization of every request; ranges: the parts of files that were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folders: dict[str, Path] = {}
        self.refused: dict[str, tuple[int, dict[str, str]]] = {}
        self.breaks: dict[str, int] = {}
        self.seen: list[tuple[str, str, str | None]] = []
        self.ranges: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def given(self, name: str) -> set[str]:
        """The files whose content was sent."""
        start = f"/{name}/resolve/{COMMIT}/"
        return {path.removeprefix(start) for verb, path, _ in self.seen if verb == "GET" and path.startswith(start)}


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.seen.append((self.command, path, self.headers.get("Authorization")))
        for start, (status, headers) in self.server.refused.items():
            if path.startswith(start):
                return self.send(status, b"", headers)
        for name, folder in self.server.folders.items():
            files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
            api = f"/api/{name}" if name.startswith("datasets/") else f"/api/models/{name}"
            if path in (f"{api}/revision/main", api):
                return self.send_json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": one} for one in files]})
            if path.startswith(f"{api}/revision/"):
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            if path.rstrip("/") == f"{api}/tree/{COMMIT}":
                return self.send_json([entry(one, file) for one, file in files.items()])
            if file := files.get(path.removeprefix(f"/{name}/resolve/{COMMIT}/")):
                return self.send_file(file)
        self.send(404, b"", {"X-Error-Code": "RepoNotFound"})

    do_GET = do_HEAD

    def send_json(self, content: object) -> None:
        self.send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send_file(self, file: Path) -> None:
        content, status = file.read_bytes(), 200
        headers = {"ETag": f'"{digest(file)}"', "X-Repo-Commit": COMMIT}
        if self.command == "GET" and (part := self.headers.get("Range")):
            self.server.ranges.append(part)
            start = int(part.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        self.send(status, content, headers, self.server.breaks.pop(file.name, None) if self.command == "GET" else None)

    def send(self, status: int, content: bytes, headers: dict[str, str], breaks: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:breaks])
        if breaks is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def entry(name: str, file: Path) -> dict[str, object]:
    """A line of the hub's listing; large files are stored apart and named by their SHA-256."""
    size = file.stat().st_size
    line = {"type": "file", "path": name, "size": size, "oid": digest(file)[:40]}
    large = {"oid": digest(file), "size": size, "pointerSize": 133}
    return {**line, "lfs": large} if file.suffix in LARGE else line
