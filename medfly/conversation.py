"""Several turns about one image, which is read once. Each turn sees the questions and answers before it.

The earlier turns are read anew each time, a few dozen tokens behind the image's kept prefix: so a turn is, token for
token, what the model says to the whole conversation in one piece. The module knows neither pixels nor tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from medfly.evidence import Wanted, checked
from medfly.generation import Streamer, ended
from medfly.types import Answer

if TYPE_CHECKING:
    from medfly.engine import MedFly, Prefix


class Conversation:
    """What was asked and answered so far about one image, or about none.

    answers: of the turns so far, in their order.
    """

    def __init__(self, fly: MedFly, prefix: Prefix) -> None:
        self.fly = fly
        self.prefix = prefix
        self.answers: list[Answer] = []

    def ask(
        self, question: str, *, evidence: Wanted = True, max_new_tokens: int = 64, streamer: Streamer | None = None
    ) -> Answer:
        """The answer to the next turn; its provenance names the turns before. See `MedFly.ask`.

        A turn that fails or is interrupted is no part of the conversation. Raises InputError where all the turns no
        longer fit into the model's context.
        """
        earlier = [(answer.question, answer.text) for answer in self.answers]
        with ended(streamer):
            prompt = self.fly.prompt(question, max_new_tokens, image_positions=self.prefix.end, earlier=earlier)
            (result,) = self.fly.generate(self.prefix, [prompt], max_new_tokens, streamer)
        answer = self.fly.finish(self.prefix, question, prompt, result, evidence=checked(evidence))
        turns = [{"question": asked, "answer": said} for asked, said in earlier]
        answer = replace(answer, provenance={**answer.provenance, "earlier_turns": turns})
        self.answers.append(answer)
        return answer
