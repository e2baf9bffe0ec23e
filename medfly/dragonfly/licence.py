"""Under which licence a checkpoint stands, as far as its folder says so, and what the licence asks for.

Three places are read: the card (README.md), a licence file, and the decoder that config.json names, whose licence
reaches to what is made from it. What they do not say is unknown. The module gives no legal advice: the licence's
own text decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Licence:
    """id: as Hugging Face's cards spell it. duties: in short; None where MedFly does not know them."""

    id: str
    name: str
    link: str | None = None
    duties: tuple[str, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**vars(self), "duties": list(self.duties) if self.duties is not None else None}


LICENCES = {
    # https://llama.meta.com/llama3/license/, 1.b, 2 (18 April 2024)
    "llama3": Licence(
        "llama3",
        "Meta Llama 3 Community License",
        "https://llama.meta.com/llama3/license/",
        (
            "passing it on, or a product or service that uses it: show “Built with Meta Llama 3” prominently",
            "the name of a model that is made from it and passed on begins with “Llama 3”",
            "pass on a copy of the licence, and in a Notice file: “Meta Llama 3 is licensed under the Meta Llama 3 "
            "Community License, Copyright © Meta Platforms, Inc. All Rights Reserved.”",
            "keep to the acceptable use policy: https://llama.meta.com/llama3/use-policy",
            "neither it nor its answers may serve to improve a language model that is not made from Llama 3",
            "above 700 million monthly users: ask Meta for a licence",
        ),
    ),
    # https://llama.meta.com/llama3_1/license/, 1.b, 2 (23 July 2024)
    "llama3.1": Licence(
        "llama3.1",
        "Llama 3.1 Community License",
        "https://llama.meta.com/llama3_1/license/",
        (
            "passing it on, or a product or service that uses it: show “Built with Llama” prominently",
            "the name of a model that is made from it, or trained on its answers, and passed on begins with “Llama”",
            "pass on a copy of the licence, and in a Notice file: “Llama 3.1 is licensed under the Llama 3.1 "
            "Community License, Copyright © Meta Platforms, Inc. All Rights Reserved.”",
            "keep to the acceptable use policy: https://llama.meta.com/llama3_1/use-policy",
            "above 700 million monthly users: ask Meta for a licence",
        ),
    ),
    # https://creativecommons.org/licenses/by/4.0/legalcode, section 3(a)
    "cc-by-4.0": Licence(
        "cc-by-4.0",
        "Creative Commons Attribution 4.0 International (CC BY 4.0)",
        "https://creativecommons.org/licenses/by/4.0/",
        ("passing it on: name the authors, keep the notices, link the licence, and say what was changed",),
    ),
}
TEXTS = (
    (r"llama\s*3\.1 community licen[sc]e", "llama3.1"),
    (r"meta\s*llama\s*3 community licen[sc]e", "llama3"),
    (r"creative commons attribution 4\.0|cc by 4\.0", "cc-by-4.0"),
)
"""How the licences call themselves in their own texts."""
HEAD = 2000
"""Characters of a licence file in which it says which one it is."""


@dataclass(frozen=True)
class Statement:
    """One place that says something about the licence; licence is None where it is not one that MedFly knows."""

    source: str
    says: str
    licence: Licence | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "says": self.says,
            "licence": self.licence.to_dict() if self.licence else None,
        }


def statements(folder: Path, config: dict[str, Any]) -> list[Statement]:
    """What the folder says about its licence; an empty list: it is unknown. config: the fields of config.json."""
    found = []
    if (said := _card(folder)) is not None:
        found.append(Statement("README.md", said, LICENCES.get(said, Licence(said, said))))
    for file in sorted(folder.glob("LICEN[CS]E*")):
        text = _text(file)[:HEAD]
        which = next((id for pattern, id in TEXTS if re.search(pattern, text, re.IGNORECASE)), None)
        first = next((line.strip() for line in text.splitlines() if line.strip()), "(empty)")[:120]
        found.append(Statement(file.name, first, LICENCES[which] if which else None))
    decoder = config.get("text_pretrained_model_name_or_path")
    if isinstance(decoder, str) and decoder:
        found.append(Statement("config.json", f"made from {decoder}", _of_decoder(decoder)))
    return found


def _of_decoder(name: str) -> Licence | None:
    """The licence of the Llama that a name means; other Llamas than 3 and 3.1 have others."""
    version = re.search(r"llama-?(\d+(?:\.\d+)?)(?![\d.b])", name, re.IGNORECASE)
    return LICENCES.get(f"llama{version[1]}") if version else None


def _card(folder: Path) -> str | None:
    """The licence in the front matter of README.md, in lower case."""
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", _text(folder / "README.md"), re.DOTALL)
    try:
        fields = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("license"), str):
        return None
    named = fields.get("license_name") if fields["license"] == "other" else None
    return str(named or fields["license"]).lower()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
