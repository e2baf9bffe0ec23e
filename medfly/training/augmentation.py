"""Changes to a training picture that leave every question's answer true.

Rotation, scale, shift, brightness, contrast, noise. Never a mirror image: a flip would turn "left lung" into
a false answer, and large rotations would turn "upper" into "left". MONAI does the work. The module knows
pictures only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

MAX_ROTATION_DEGREES = 30.0
"""Beyond this, up is no longer up; more is refused."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges, each drawn uniformly around no change. rotate: degrees; scale, shift, shear: fractions.

    brightness, contrast: fractions of the range; noise: standard deviation as a fraction of the range.
    """

    rotate: float = 10.0
    scale: float = 0.12
    shift: float = 0.08
    shear: float = 0.0
    brightness: float = 0.1
    contrast: float = 0.2
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.rotate <= MAX_ROTATION_DEGREES:
            raise ValueError(
                f"rotate {self.rotate}: expected 0 to {MAX_ROTATION_DEGREES} degrees; more breaks up and left"
            )
        if not 0 <= self.scale < 0.5:
            raise ValueError(f"scale {self.scale}: expected 0 to 0.5; more could mirror or empty the picture")


class Augmenter:
    """`augmenter(picture, seed)`: [H, W, 3] uint8 → the same shape, the same for the same seed."""

    def __init__(self, augmentation: Augmentation) -> None:
        # MONAI takes seconds to import, and only training needs it.
        from monai.transforms.compose import Compose
        from monai.transforms.intensity.array import RandAdjustContrast, RandGaussianNoise, RandScaleIntensity
        from monai.transforms.spatial.array import RandAffine

        a = augmentation
        self._shift = a.shift
        self._affine = RandAffine(
            prob=1.0,
            rotate_range=np.deg2rad(a.rotate),
            scale_range=(a.scale, a.scale),
            shear_range=(a.shear, a.shear),
            mode="bilinear",
            padding_mode="zeros",
        )
        self._intensity = Compose(
            [
                RandScaleIntensity(prob=1.0 if a.brightness else 0.0, factors=a.brightness),
                RandAdjustContrast(prob=1.0 if a.contrast else 0.0, gamma=(1 / (1 + a.contrast), 1 + a.contrast)),
                RandGaussianNoise(prob=0.5 if a.noise else 0.0, std=a.noise),
            ]
        )

    def __call__(self, picture: np.ndarray, seed: int) -> np.ndarray:
        height, width = picture.shape[:2]
        # A grey picture has three equal channels: one is enough until the end.
        grey = bool((picture[..., :1] == picture).all())
        image = torch.from_numpy(np.ascontiguousarray(picture[..., :1] if grey else picture)).permute(2, 0, 1) / 255
        affine = self._affine
        affine.rand_affine_grid.translate_range = (self._shift * height, self._shift * width)
        affine.set_random_state(seed)
        self._intensity.set_random_state(seed)
        changed = torch.as_tensor(self._intensity(affine(image)))
        out = (changed.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return np.repeat(out, 3, axis=2) if grey else out
