"""Work that a page starts and then looks at: in a thread of its own, with progress, and cancelled when nobody waits.

A page's own script is run anew at every click, so that work inside of it would end with the next turn of a mouse
wheel. A Job goes on, however often the page is drawn. It ends early when it is cancelled, or when its page is gone
(closed or reloaded): it asks before every step (`tell`), and then leaves all that it holds, the model first of all.
The module knows no Streamlit and no model. What fails is told by its kind alone: messages may hold questions.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from medfly.types import Answer, InputError

Stage = Literal["waiting", "loading", "reading", "answering", "evidence", "looking"]
LOG = logging.getLogger("medfly.viewer")


class Cancelled(Exception):
    """Nobody waits for this job any more."""


@dataclass(frozen=True)
class Told:
    """What is known so far. before: others whose turn it is first. done, total: steps, where there are some to count.

    strange: why the answer will be deferred, in lines, as far as it is known before it; None while it is not known.
    words: of the answer, so far. answer: all but its evidence.
    """

    stage: Stage = "loading"
    before: int = 0
    done: int = 0
    total: int = 0
    strange: tuple[str, ...] | None = None
    words: str = ""
    answer: Answer | None = None


class Job:
    """work(job) in a thread. alive: whether the page that started it is still there, asked at every step.

    about: whatever the page needs to make something of the result; the job does not look at it.
    """

    def __init__(self, work: Callable[[Job], Any], *, about: Any = None, alive: Callable[[], bool] = lambda: True):
        self.about = about
        self.told = Told()
        self.result: Any = None
        self.error: str | None = None
        """One line for the user."""
        self._work, self._alive = work, alive
        self._cancelled, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name="medfly-job", daemon=True).start()

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """It stops before its next step; a step that is being made is made to its end."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it ended within that time."""
        return self._ended.wait(seconds)

    def tell(self, **changes: Any) -> None:
        """A step, from within the work. Raises Cancelled where nobody waits for it."""
        if self.cancelled or not self._alive():
            self.cancel()
            raise Cancelled
        self.told = replace(self.told, **changes)

    def waiting(self, before: int) -> None:
        """A step of app.models.Line: so many are first."""
        self.tell(stage="waiting", before=before)

    def _run(self) -> None:
        try:
            self.result = self._work(self)
        except Cancelled:
            pass
        except InputError as error:
            self.error = str(error)
        except Exception as error:  # the page must live on
            self.error = f"{type(error).__name__}: the work failed; nothing was answered. See the server's log"
            _log(error)
        finally:
            self._work = _nothing  # and the scan that it holds
            self._ended.set()


def _nothing(_: Job) -> None:
    """What is left of a job that ended."""


def _log(error: Exception) -> None:
    """Where it failed, without the message: that may hold a question, a path or a name."""
    places = "".join(traceback.format_list([_bare(one) for one in traceback.extract_tb(error.__traceback__)]))
    LOG.error("a job failed with %s\n%s", type(error).__name__, places)


def _bare(place: traceback.FrameSummary) -> traceback.FrameSummary:
    return traceback.FrameSummary(place.filename, place.lineno, place.name, lookup_line=False, line="")
