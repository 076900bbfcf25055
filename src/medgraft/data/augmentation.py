"""Random views of training images that keep medical signs: moves, mirrors, brightness and contrast only."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from medgraft.params import Augmentation

Transform = v2.Compose


def augmentation(settings: Augmentation) -> Transform:
    """uint8 or float [C, S, S] in [0, 255] → float32 of the same shape and range; draws from torch's generator."""
    steps: list[torch.nn.Module] = [v2.ToDtype(torch.float32)]
    if settings.flips in ("horizontal", "both"):
        steps.append(v2.RandomHorizontalFlip())
    if settings.flips in ("vertical", "both"):
        steps.append(v2.RandomVerticalFlip())
    if settings.rotation or settings.scale or settings.translate:
        affine = v2.RandomAffine(
            degrees=settings.rotation,
            translate=(settings.translate, settings.translate),
            scale=(1 - settings.scale, 1 + settings.scale),
            interpolation=v2.InterpolationMode.BILINEAR,
        )
        steps.append(affine)
    if settings.brightness or settings.contrast:
        # ColorJitter wants floats in [0, 1]; hue and saturation stay untouched.
        steps += [v2.Lambda(_to_unit), v2.ColorJitter(settings.brightness, settings.contrast), v2.Lambda(_to_bytes)]
    return v2.Compose(steps)


def augment(transform: Transform, image: Tensor, seed: int) -> Tensor:
    """One view, a pure function of the image and the seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        view: Tensor = transform(image)
        return view


def _to_unit(image: Tensor) -> Tensor:
    return image / 255


def _to_bytes(image: Tensor) -> Tensor:
    return image * 255
