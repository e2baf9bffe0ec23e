"""Any image-text-to-text checkpoint of transformers as a peer: its own processor, its own chat template, greedy.

Questions are asked one at a time, because the answers of most models change with the batch that they stand in. No
code of a checkpoint's own is run. The module knows no single model, except for the prompts of a few whose checkpoints
come without a chat template.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from math import exp
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from medfly.dragonfly.checkpoint import headers, prevailing_dtype
from medfly.dragonfly.hub import json_object
from medfly.dragonfly.loading import (
    UnaccountedWarning,
    check_device,
    known_dtype,
    of_model,
    quiet_transformers,
    reported,
)
from medfly.peers import shown
from medfly.peers.checkpoint import find, model_hash
from medfly.types import Answer, InputError, Sample, naming_question

WITHOUT_TEMPLATE = {
    "blip-2": "Question: {question} Answer:",
    "instructblip": "{question}",
    "llava": "USER: <image>\n{question} ASSISTANT:",
    "llava_next": "[INST] <image>\n{question} [/INST]",
}
"""model_type → the prompt in the docstring of the model's class in transformers 5.23, for checkpoints without a chat
template."""
LOST = ("missing_keys", "mismatched_keys", "error_msgs")
"""What transformers reports of tensors that the model has and the files have not. The rest is surplus in the files."""


class TransformersModel:
    """A model that can be asked about samples.

    name, hash: which model; they go into every answer's provenance. hash: see `medfly.peers.checkpoint.model_hash`.
    """

    def __init__(self, model: Any, processor: Any, *, name: str, hash: str) -> None:
        self.model = model.eval()
        self.processor = processor
        self.name = name
        self.hash = hash
        settings = model.generation_config
        # Greedy; what else the authors set for generation, such as a repetition penalty, is kept.
        settings.do_sample, settings.num_beams = False, 1
        settings.temperature = settings.top_p = settings.top_k = None

    def answer(self, samples: Iterable[Sample], *, max_new_tokens: int = 64) -> Iterator[Answer]:
        """Answer samples in their order, one by one; a picture is read once for the samples of it that stand together.

        An answer's confidence is the geometric mean of its tokens' probabilities, end token included.
        Raises InputError with the id of the question that cannot be answered.
        """
        for sample, seen in shown.with_pictures(samples):
            with naming_question(sample), quiet_transformers():
                inputs = self._inputs(seen.picture, sample.question, max_new_tokens)
                text, confidence = self._generated(inputs, max_new_tokens)
            yield Answer(sample.question, text, confidence, provenance=self._provenance(seen))

    def _inputs(self, picture: Image.Image, question: str, max_new_tokens: int) -> Any:
        """The processor's tensors on the model's device. Raises InputError where it cannot take picture and text."""
        added = self.processor.tokenizer.added_tokens_decoder.values()
        if found := sorted(token.content for token in added if token.special and token.content in question):
            raise InputError(f"{found[0]}, a special token of this model; expected plain words: reword the question")
        try:
            if getattr(self.processor, "chat_template", None):
                content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
                inputs = self.processor.apply_chat_template(
                    [{"role": "user", "content": content}],
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
            else:
                text = WITHOUT_TEMPLATE[self.model.config.model_type].replace("{question}", question)
                inputs = self.processor(images=picture, text=text, return_tensors="pt")
        except Exception as error:  # each model's processor and template raise their own
            raise InputError(
                f"the processor of {self.name} does not take one picture with a question ({type(error).__name__}); "
                "expected a model that answers questions about a picture: choose another"
            ) from error
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if context and inputs["input_ids"].shape[1] + max_new_tokens > context:
            raise InputError(
                f"{inputs['input_ids'].shape[1]} tokens of picture and question and {max_new_tokens} of the answer; "
                f"expected at most {context} together: shorten the question, or the answers"
            )
        return inputs.to(self.model.device, self.model.dtype)

    @torch.inference_mode()
    def _generated(self, inputs: Any, max_new_tokens: int) -> tuple[str, float]:
        said = self.model.generate(
            **inputs, max_new_tokens=max_new_tokens, return_dict_in_generate=True, output_scores=True
        )
        # Some models return the prompt before the answer, some do not; there is one score for each new token.
        ids = said.sequences[0, -len(said.scores) :]
        logs = [score[0].float().log_softmax(-1)[token].item() for score, token in zip(said.scores, ids, strict=True)]
        text = self.processor.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text.strip(), exp(sum(logs) / len(logs))

    def _provenance(self, seen: shown.Shown) -> dict[str, Any]:
        versions = {"torch": str(torch.__version__), "transformers": transformers.__version__}
        return shown.provenance(
            seen, self.name, self.hash, versions, precision=str(self.model.dtype).removeprefix("torch.")
        )


def load(
    name: str, *, dtype: str = "auto", device: str | None = None, allow_unaccounted: bool = False
) -> TransformersModel:
    """A checkpoint by folder or hub repository, ready to be asked. Raises InputError for what cannot be loaded.

    dtype: "auto", as most of the weights are stored, except that a CPU computes float16 in float32; or "float32",
        "bfloat16", "float16". device: by default a GPU where there is one.
    allow_unaccounted: load although tensors of the model are not in the files, and warn with UnaccountedWarning, as
        is always done for tensors in the files that the model has no place for.
    """
    wanted = known_dtype(dtype)
    check_device(device)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    folder = find(name)
    kind = f"an image-text-to-text model of transformers {transformers.__version__}"
    expected = "one that needs no code of its own: choose another, or serve it and give --base_url"
    room = "serve it elsewhere and give --base_url"
    with of_model(name, kind=kind, expected=expected, room=room), quiet_transformers():
        stored = getattr(torch, prevailing_dtype(headers(folder)))
        if stored == torch.float16 and device == "cpu":
            stored = torch.float32
        processor = _processor(folder)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=wanted or stored,
            device_map={"": device},
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        model, report = loaded
        _account(report, allow_unaccounted)
    return TransformersModel(model, processor, name=name, hash=model_hash(folder))


def _processor(folder: Path) -> Any:
    """Raises InputError where it cannot put a picture and a question to the model."""
    try:
        processor: Any = AutoProcessor.from_pretrained(folder, trust_remote_code=False)
    except ImportError as error:  # the video part of some processors, which pictures do not need, asks for torchvision
        lacks = "torchvision" if "torchvision" in str(error).lower() else "a package"
        raise InputError(
            f"its processor needs {lacks}, which is not installed; expected it beside torch: install the build that "
            f"fits torch {torch.__version__}, from the same index, or serve the model and give --base_url"
        ) from None
    kind = json_object(folder / "config.json").get("model_type")
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise InputError(f"{folder}: no processor of pictures and text; expected preprocessor_config.json: fetch it")
    if not getattr(processor, "chat_template", None) and kind not in WITHOUT_TEMPLATE:
        raise InputError(
            f"{folder}: no chat template, and model_type {kind!r} is none of {', '.join(WITHOUT_TEMPLATE)}, whose "
            "prompts are known; expected a chat model: put its chat_template.jinja there"
        )
    return processor


def _account(report: dict[str, Any], allowed: bool) -> None:
    """A model with a tensor made up would answer, and wrongly."""
    for kind, told in reported(report):
        if kind in LOST and not allowed:
            raise InputError(f"{told}: fetch the checkpoint again, or load it all the same with --allow_unaccounted")
        warnings.warn(f"its answers may be wrong: {told}", UnaccountedWarning, stacklevel=3)
