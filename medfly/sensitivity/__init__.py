"""Does an answer stay the same when the picture or the words change in a way that should not matter?

    answer = fly.ask(scan, "Is there a nodule?")
    (answer,) = with_variations(fly, scan, [answer])     # answer.variations, answer.flips
    variations = vary(fly, scan, "Is there a nodule?")   # the variations alone

`changes` plans (medfly.sensitivity.planning, with what it changes in pictures and questions), and `with_variations`
asks. An answer that flips hangs on something that no reader would go by. One that stays may still be wrong: nothing
here knows what is right, and a share of equal answers is not a probability of disease.

No torch until a model is asked, which brings its own.
"""

from medfly.sensitivity.answers import exchange_sides, normalised, said_of_original, same_answer
from medfly.sensitivity.asking import reads, vary, with_variations
from medfly.sensitivity.planning import KINDS, PLAN, Change, changes

__all__ = [
    "KINDS",
    "PLAN",
    "Change",
    "changes",
    "exchange_sides",
    "normalised",
    "reads",
    "said_of_original",
    "same_answer",
    "vary",
    "with_variations",
]
