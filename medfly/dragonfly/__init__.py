"""The Dragonfly architecture as the Hugging Face ecosystem expects it.

Importing this package registers AutoConfig, AutoImageProcessor, AutoProcessor and AutoModelForImageTextToText
for the model type "dragonfly".
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from medfly.dragonfly.configuration import DragonflyConfig
from medfly.dragonfly.image_processing import DragonflyImageProcessor
from medfly.dragonfly.modeling import DragonflyForCausalLM
from medfly.dragonfly.processing import DragonflyProcessor
from medfly.dragonfly.tower import ConvTower, ConvTowerConfig

AutoConfig.register(DragonflyConfig.model_type, DragonflyConfig, exist_ok=True)
AutoModelForImageTextToText.register(DragonflyConfig, DragonflyForCausalLM, exist_ok=True)
AutoImageProcessor.register(DragonflyConfig, image_processor_classes={"pil": DragonflyImageProcessor}, exist_ok=True)
AutoProcessor.register(DragonflyConfig, DragonflyProcessor, exist_ok=True)

__all__ = [
    "ConvTower",
    "ConvTowerConfig",
    "DragonflyConfig",
    "DragonflyForCausalLM",
    "DragonflyImageProcessor",
    "DragonflyProcessor",
]
