"""A server that speaks OpenAI's chat completions (vLLM, llama.cpp and many others): one request, one reply.

Here are the address and its key, what may be sent where, repeated attempts, and what becomes of a server's refusal.
The module knows no scan, no data set and no prompt. What a message says is in no error and no log: a server's own
words are not passed on, since they may repeat the message.

A server on this machine is trusted with everything. That it passes nothing on to another one cannot be seen from here.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from medfly.types import InputError

KEYS = ("MEDFLY_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the server's key; the first that is set is taken."""
SEED = 0
ATTEMPTS = 8
"""Of a request that a busy, failing or silent server did not answer; the waits between them add up to half a minute
at most, or to what the server asks for."""
INSTALL = 'pip install "medfly[endpoint]"'
PROBE = "Reply with one word."

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """logprobs: of the tokens that the server gave them for, empty where it gave none; it may leave out the end token.

    fingerprint: what the server says of its own version, `system_fingerprint`.
    """

    text: str
    logprobs: tuple[float, ...] = ()
    fingerprint: str | None = None


class ChatServer:
    """One model at one address.

    base_url: as OpenAI's client takes it, mostly ending in /v1; model: its id there.
    what: in words, what will be sent, for the refusal to send it off this machine unless allow_upload.
    option: the command line's that gives the address, for messages. timeout: seconds for one attempt.
    Raises InputError for an address that is none or not allowed, and without openai.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        what: str,
        allow_upload: bool = False,
        option: str = "--base_url",
        timeout: float = 300,
    ) -> None:
        self.host = checked_host(base_url, what, allow_upload, option)
        self.model = model
        self.option = option
        self._logprobs = True
        try:
            import openai
        except ImportError:
            raise InputError(f"{option}: found no openai, which it needs: {INSTALL}") from None
        key = next((os.environ[name] for name in KEYS if os.environ.get(name)), None)
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=key or "none",
            max_retries=ATTEMPTS - 1,
            # No redirection, and no proxy on the way to this machine: what is sent goes where the user said.
            http_client=openai.DefaultHttpxClient(trust_env=not is_loopback(self.host), follow_redirects=False),
            timeout=timeout,
        )

    def probe(self, content: Any = PROBE) -> Reply:
        """A first reply to something harmless. Raises InputError where address, key, model or content are refused."""
        message = [{"role": "user", "content": content}]
        try:
            return self.reply(message, max_tokens=8, once=True)
        except Refused as error:
            if error.status not in (400, 422) or not self._logprobs:
                raise
        self._logprobs = False  # some servers refuse to tell them, where others leave them out
        return self.reply(message, max_tokens=8, once=True)

    def reply(self, messages: Sequence[Message], *, max_tokens: int, once: bool = False) -> Reply:
        """What the model says, as little at random as the server can: temperature 0 and a fixed seed.

        once: a single attempt, for a server that may not be there. Raises InputError where there is no reply.
        """
        import openai

        client = self._client.with_options(max_retries=0) if once else self._client
        more: dict[str, Any] = {"logprobs": True} if self._logprobs else {}
        try:
            said: Any = client.chat.completions.create(
                model=self.model,
                messages=list(messages),  # type: ignore[arg-type]
                max_tokens=max_tokens,
                temperature=0,
                seed=SEED,
                **more,
            )
        except openai.APIStatusError as error:
            raise Refused(self._refused(error.status_code), error.status_code) from None
        except openai.APITimeoutError:
            raise InputError(
                f"{self.host}: no answer in time; expected one: ask again later; what is answered is kept"
            ) from None
        except openai.APIConnectionError:
            raise InputError(
                f"{self.host}: no connection, or it broke off; expected a server there: start it, or correct "
                f"{self.option}"
            ) from None
        except (openai.OpenAIError, ValueError):
            raise InputError(self._strange()) from None
        return self._read(said)

    def _refused(self, status: int) -> str:
        """An error of the server's in our words; its own may repeat the question."""
        where = f"{self.host}: the server answered with an error ({status}); expected a reply"
        if status in (401, 403):
            return f"{where}: put a valid key for it into the environment variable {KEYS[0]}"
        if status == 404:
            known = self._models()
            what = f"choose one of its models: {', '.join(known)}" if known else f"look whether {self.option} lacks /v1"
            return f"{where}: no model {self.model!r} there: {what}"
        if status == 429:
            return f"{where}: it has too much to do, or a quota is used up: ask again later; what is answered is kept"
        if 300 <= status < 400:
            return f"{where}: it points to another address, which is not followed: give that one as {self.option}"
        if status >= 500:
            return f"{where}: look into its log; what is answered is kept, and the same command goes on"
        return f"{where}: look into its log for what it did not take"

    def _models(self) -> list[str]:
        import openai

        try:
            return sorted(one.id for one in self._client.with_options(max_retries=0).models.list().data)[:10]
        except (openai.OpenAIError, AttributeError, TypeError):
            return []

    def _read(self, said: Any) -> Reply:
        try:
            choice = said.choices[0]
            text = choice.message.content or ""
            tokens = (choice.logprobs and choice.logprobs.content) or ()
            logprobs = tuple(float(token.logprob) for token in tokens)
        except (AttributeError, IndexError, TypeError, ValueError):
            raise InputError(self._strange()) from None
        return Reply(str(text), logprobs, getattr(said, "system_fingerprint", None))

    def _strange(self) -> str:
        return f"{self.host}: a reply that is no chat completion; expected one: look whether {self.option} lacks /v1"


class Refused(InputError):
    """The server answered with an error. status: HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def checked_host(base_url: str, what: str, allow_upload: bool, option: str) -> str:
    """Host and port of an address. Raises InputError where it is none, or `what` may not be sent there."""
    try:
        url = urlsplit(base_url)
        host, named = url.hostname, url.netloc.rpartition("@")[2]
        url.port  # noqa: B018  (raises where it is no number)
    except ValueError:
        host = None
    if not host or url.scheme not in ("http", "https"):
        raise InputError(f"{option}: no address; expected one such as http://127.0.0.1:8000/v1: correct it")
    if url.username or url.password:
        raise InputError(f"{option}: a password in it; expected the address only: put the key into {KEYS[0]}")
    if not is_loopback(named) and not allow_upload:
        plain = ", unencrypted" if url.scheme == "http" else ""
        raise InputError(
            f"{named} is not this machine; expected a server here: {what} would be sent to it{plain}: say "
            "--allow_upload if they may leave this machine"
        )
    return named


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its very name, without asking a name server."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
