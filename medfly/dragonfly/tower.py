"""A small convolutional vision tower for models that are trained from scratch on few images.

It is used like CLIP: crops in, a grid of tokens out. It does not know which level a crop comes from; the
decoder learns that from the token's position.

Shapes: N crops, R crop side, C channels, G = R / 16 grid side.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class ConvTowerConfig(PreTrainedConfig):
    """widths: channels at strides 2, 4, 8 and 16; blocks: residual blocks of each of the last three."""

    model_type = "medfly_conv_tower"

    widths: list | None = None
    blocks: list | None = None
    drop_path: float = 0.0

    def __post_init__(self, **kwargs) -> None:
        self.widths = self.widths or [32, 64, 128, 256]
        self.blocks = self.blocks or [1, 1, 1]
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        return self.widths[-1]  # type: ignore[index]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside an identity (He et al., 2016). [N, C, h, w] → [N, C', h/stride, w/stride]"""

    def __init__(self, inputs: int, outputs: int, stride: int, drop_path: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(inputs, outputs, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        if self.training and self.drop_path:
            # One coin a crop (stochastic depth, Huang et al., 2016), rescaled so that the mean stays.
            keep = torch.rand(len(y), 1, 1, 1, device=y.device) >= self.drop_path
            y = y * keep / (1 - self.drop_path)
        return torch.relu(self.skip(x) + y)


class ConvTower(PreTrainedModel):
    """pixel_values [N, 3, R, R] → last_hidden_state [N, C, G, G]; two channels of coordinates are added inside."""

    config_class = ConvTowerConfig
    main_input_name = "pixel_values"

    def __init__(self, config: ConvTowerConfig) -> None:
        super().__init__(config)
        widths, blocks = config.widths or [], config.blocks or []
        self.stem = nn.Conv2d(5, widths[0], 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(widths[0])
        stages = []
        for inputs, outputs, count in zip(widths[:-1], widths[1:], blocks, strict=True):
            stages += [
                ResidualBlock(outputs if i else inputs, outputs, 1 if i else 2, config.drop_path) for i in range(count)
            ]
        self.stages = nn.Sequential(*stages)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixel_values: Tensor, **kwargs) -> BaseModelOutput:
        count, _, height, width = pixel_values.shape
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height, device=pixel_values.device, dtype=pixel_values.dtype),
            torch.linspace(-1, 1, width, device=pixel_values.device, dtype=pixel_values.dtype),
            indexing="ij",
        )
        coordinates = torch.stack([x, y]).expand(count, 2, height, width)
        crops = torch.cat([pixel_values, coordinates], dim=1).contiguous(memory_format=torch.channels_last)
        return BaseModelOutput(last_hidden_state=self.stages(torch.relu(self.stem_norm(self.stem(crops)))))


AutoConfig.register(ConvTowerConfig.model_type, ConvTowerConfig, exist_ok=True)
AutoModel.register(ConvTowerConfig, ConvTower, exist_ok=True)
