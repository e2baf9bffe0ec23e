"""Where generation ends, what it says without an image, and how it streams: against the plain decoder's own."""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, TextIteratorStreamer, pipeline

import medfly
from medfly.engine import MedFly
from medfly.types import InputError, Scan

GOLDEN = Path(__file__).parent / "golden" / "dragonfly-v2-tiny"
QUESTIONS = ["Is the lung healthy?", "Where?", "Does the picture contain the spleen, the kidney or the heart?"]
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.fixture(scope="module")
def fly() -> MedFly:
    return medfly.load(str(GOLDEN), device="cpu")


class Recorder:
    """A streamer that keeps what it is given."""

    def __init__(self) -> None:
        self.values: list[torch.Tensor] = []
        self.ends = 0

    def put(self, value: torch.Tensor) -> None:
        self.values.append(value)

    def end(self) -> None:
        self.ends += 1


def decoder_alone(fly: MedFly, question: str, limit: int) -> list[int]:
    """The Llama decoder by itself, greedily, with the published prompt and end."""
    text = f"<|start_header_id|>user<|end_header_id|>\n\n{question}<|eot_id|>"
    text += "<|start_header_id|>assistant<|end_header_id|>\n\n"
    tokenizer = fly.processor.tokenizer
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    end = tokenizer.convert_tokens_to_ids("<|eot_id|>")
    options = {"max_new_tokens": limit, "do_sample": False, "eos_token_id": end, "pad_token_id": 0}
    return fly.model.language_model.generate(ids, attention_mask=torch.ones_like(ids), **options)[
        0, ids.shape[1] :
    ].tolist()


def test_without_an_image_it_is_the_decoder_alone(fly: MedFly) -> None:
    """Also of different lengths together, whose pads stand in front of everything."""
    expected = [decoder_alone(fly, question, 12) for question in QUESTIONS]
    prompts = [fly.processor.prompt_ids(question) for question in QUESTIONS]
    assert [one.ids for one in fly.generate(fly.text_only(), prompts, 12)] == expected
    answers = fly.ask(None, QUESTIONS, max_new_tokens=12)
    for answer, ids in zip(answers, expected, strict=True):
        assert answer.text == fly.processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert answer.evidence is None and 0 < (answer.confidence or 0) < 1
        unknown = ("input_hash", "frame", "size", "modality", "window", "inverted")
        assert [answer.provenance[key] for key in unknown] == [None] * len(unknown)
        assert answer.provenance["levels"] == [] and answer.provenance["model_hash"] == fly.hash


def test_only_the_end_of_turn_ends_an_answer(fly: MedFly) -> None:
    """The published implementation stops nowhere else, not at the end of text either.

    Two rows of the output layer are exchanged, so that the third token becomes the one that is looked at.
    """
    tokenizer = fly.processor.tokenizer
    third = decoder_alone(fly, "Where?", 3)[2]
    for name, ends in (("<|end_of_text|>", False), ("<|eot_id|>", True)):
        model = copy.deepcopy(fly.model)
        token = tokenizer.convert_tokens_to_ids(name)
        with torch.no_grad():
            model.get_output_embeddings().weight[[token, third]] = model.get_output_embeddings().weight[[third, token]]
        changed = MedFly(model, fly.processor, name="changed", hash="")
        (result,) = changed.generate(changed.text_only(), [fly.processor.prompt_ids("Where?")], 8)
        assert result.ids[2] == token
        assert len(result.ids) == (3 if ends else 8)
        assert result.ids == decoder_alone(changed, "Where?", 8)
        assert name not in changed.ask(None, "Where?", max_new_tokens=8).text


def test_a_streamer_is_given_what_transformers_gives(fly: MedFly) -> None:
    ours, theirs = Recorder(), Recorder()
    answer = fly.ask(None, "Where?", max_new_tokens=6, streamer=ours)
    ids = torch.tensor([fly.processor.prompt_ids("Where?")])
    fly.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False, streamer=theirs)
    assert (ours.ends, theirs.ends) == (1, 1)
    assert len(ours.values) == len(theirs.values) == 7
    for one, other in zip(ours.values, theirs.values, strict=True):
        assert torch.equal(one, other) and one.shape == other.shape
    assert answer.text == fly.text(torch.cat(ours.values[1:]).tolist())


def test_the_streamed_text_is_the_answers(fly: MedFly) -> None:
    streamer = TextIteratorStreamer(fly.processor.tokenizer, skip_prompt=True, timeout=60, skip_special_tokens=True)
    answers = []
    options = {"evidence": False, "max_new_tokens": 12, "streamer": streamer}
    thread = Thread(target=lambda: answers.append(fly.ask(None, "Where?", **options)))
    thread.start()
    text = "".join(streamer)
    thread.join()
    assert text.strip() == answers[0].text == fly.ask(None, "Where?", max_new_tokens=12).text
    assert len(text) > 5


def test_a_streamer_ends_whatever_happens(fly: MedFly) -> None:
    for scan, question, words in (
        (None, "a " * 9000, "tokens: with 0 image positions"),
        (None, ["a", "b"], "2 questions and a streamer"),
        (None, " ", "an empty question"),
        (Scan(PIXELS[..., 0].astype(np.float32)), "a", "WIDTH/LEVEL"),
    ):
        streamer = Recorder()
        with pytest.raises(InputError, match=words):
            fly.ask(scan, question, window="nonsense" if scan else None, streamer=streamer)  # type: ignore[call-overload]
        assert streamer.ends == 1 and not streamer.values
    assert [a.question for a in fly.ask(None, ["one"], max_new_tokens=1, streamer=Recorder())] == ["one"]


def test_transformers_streams_the_model_itself() -> None:
    """Auto classes, `generate` in a thread, and the reference's own tokens as text."""
    model, processor = AutoModelForImageTextToText.from_pretrained(GOLDEN), AutoProcessor.from_pretrained(GOLDEN)
    picture = Image.open(GOLDEN / "images" / "landscape.png")
    content = [
        {"type": "image", "image": picture},
        {"type": "text", "text": "Is there a small nodule in the left lung?"},
    ]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True, timeout=60)
    thread = Thread(
        target=model.generate, kwargs={**inputs, "max_new_tokens": 12, "do_sample": False, "streamer": streamer}
    )
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces) == " thisIs seefrac see see see seeN see\ufffd\x1c"  # cases.json
    assert len(pieces) > 3


def test_transformers_pipeline_takes_messages(fly: MedFly) -> None:
    picture = Image.open(GOLDEN / "images" / "landscape.png")
    content = [
        {"type": "image", "image": picture},
        {"type": "text", "text": "Is there a small nodule in the left lung?"},
    ]
    ask = pipeline("image-text-to-text", model=fly.model, processor=fly.processor, device="cpu")
    (said,) = ask(text=[{"role": "user", "content": content}], max_new_tokens=12, return_full_text=False)
    assert said["generated_text"] == " thisIs seefrac see see see seeN see\ufffd\x1c"
