"""The words that the "medfly" rule knows, and all of its medicine: one short table of names for the same thing.

Plain lists in lower case. What follows from a word is said where it is used.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES = _words("a an the")
SUBJECTS = _words("it there this that these those they he she we i you")
PREPOSITIONS = _words(
    """in on at of by for from with within to into through along around about near over under inside outside across
    between during beneath above below behind beyond among as"""
)
# Prepositions that can be the answer ("above or below the diaphragm") are not passed over with the rest.
STOP = (
    ARTICLES
    | SUBJECTS
    | (PREPOSITIONS - _words("above below behind beneath between inside outside over under"))
    | _words(
        """is are was were be been being am has have had do does did can could may might will shall should would must
        my your his her its our their which who what where when how s one ones so also just only some any each every
        here then than too very quite other several multiple various yes please and or"""
    )
)
# What is said about seeing; to a question about presence such a word alone is an answer.
PRESENCE = _words(
    """visible seen see shown show showed showing present evident evidence sign detected identified found noted
    recognized recognised observed demonstrated displayed exist contain contained include included made out felt
    visualized visualised appreciated"""
)
HEDGES = _words(
    """likely possible probable probably possibly perhaps maybe clearly definitely certainly obviously
    apparently most seem seemed appear appeared look looked like suggest suggested suggestive suspected
    consistent indicate think believe say definite obvious discernible conclude first thought really actually
    indeed true"""
)
PICTURE = _words(
    """image picture scan film photo photograph figure slice section cut view plane weighted weighting sequence
    side lie lies lying located situated position type kind based taken given depict represent called name known
    answer option choice direction patient finding"""
)
# Words that leave an affirmed finding what it is. A denial with one of them denies less than the finding.
MODIFIERS = _words(
    """small large big tiny huge minor major mild slight slightly moderate moderately severe severely marked
    markedly notable significant many few single thin subtle"""
)
SIDES = _words("left right both upper lower middle anterior posterior medial lateral proximal distal top bottom")
NEGATIONS = _words(
    """no not without none neither nor never nothing absent absence lack lacking denied negative false incorrect
    untrue unlikely hardly excluded nope n"""
)
YES = _words("yes yeah yep yup y affirmative true correct positive absolutely definitely certainly indeed sure")
NO = _words("no none nope nah n not unlikely negative false incorrect untrue")

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
COUNTS = {word: n for n, word in enumerate([*_ONES.split(), "seventeen", "eighteen", "nineteen"])}
COUNTS |= {word: 10 * n for n, word in enumerate(_TENS.split(), 2)}

# One name for what has several. Techniques: MeSH D008279, D014057, D011859, D014463 and everyday use. The stain's
# initials, the plain words for cardiomegaly (MeSH D006332), and spellings.
SAME = {
    "magnetic resonance imaging": "mri",
    "magnetic resonance": "mri",
    "mr": "mri",
    "computed tomography": "ct",
    "x ray": "xray",
    "radiograph": "xray",
    "ultrasonography": "ultrasound",
    "hematoxylin and eosin": "h&e",
    "enlarged heart": "cardiomegaly",
    "intestine": "bowel",
    "axial": "transverse",
    "bilateral": "both",
    "grey": "gray",
    "tumour": "tumor",
}
