"""A checkpoint of transformers that is no Dragonfly: LLaVA's shape in miniature, with seeded random weights."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
from transformers import PreTrainedTokenizerFast as Tokens
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

TEMPLATE = (
    "{% for m in messages %}USER: {% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)
SPECIAL = ("<pad>", "<s>", "</s>", "<image>")


def save(folder: Path) -> None:
    """Model and processor as they are published. Tokens are bytes; a picture of 28 × 28 pixels is four of them."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate((*SPECIAL, *bytes_))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokens = Tokens(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=["<image>"],
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = LlavaProcessor(
        images,
        tokens,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    tower = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    decoder = LlamaConfig(
        vocab_size=264,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=200,
        initializer_range=0.5,  # so that the picture is felt in the answer
    )
    torch.manual_seed(0)
    config = LlavaConfig(vision_config=tower, text_config=decoder, image_token_index=SPECIAL.index("<image>"))
    model = LlavaForConditionalGeneration(config)
    # As many are published: sampling by default. None of it may reach an answer.
    model.generation_config.do_sample, model.generation_config.temperature = True, 0.7
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
