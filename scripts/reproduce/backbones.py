"""Students' backbones: images (rows, 3, side, side) to features (rows, width). Small enough for one core of a CPU."""
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


def convolution(before: int, after: int, stride: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride=stride, padding=(size - 1) // 2 if size % 2 else 0, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class ConvNet(nn.Sequential):
    """Four convolutions, the first two of stride 2: most of the work is done on 8 x 8 places. Images of 64 x 64 pixels are first cut into 4 x 4."""

    width = 192

    def __init__(self, side: int) -> None:
        if side not in (32, 64):
            raise ValueError(f"images of {side} x {side} pixels: a convnet takes 32 or 64")
        widths, strides, sizes = [3, 32, 64, 128, self.width], [side // 16, 2, 1, 2], [3 if side == 32 else 4, 3, 3, 3]
        super().__init__(
            *(convolution(a, b, s, k) for a, b, s, k in zip(widths, widths[1:], strides, sizes)), nn.AvgPool2d(4), nn.Flatten()
        )


def check_side(side: int) -> None:
    if side != 32:
        raise ValueError(f"images of {side} x {side} pixels: only a convnet takes others than 32 x 32")


class Residual(nn.Module):
    """Two convolutions around which the input goes (projected where the shape changes)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(before, after, stride)
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
        self.around = nn.Identity() if before == after and stride == 1 else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.second(self.first(x)) + self.around(x))


class ResNet(nn.Sequential):
    """A stem of stride 2 and three residual blocks."""

    width = 192

    def __init__(self, side: int) -> None:
        check_side(side)
        super().__init__(
            convolution(3, 32, 2), Residual(32, 64, 2), Residual(64, 128, 1), Residual(128, self.width, 2), nn.AvgPool2d(4), nn.Flatten()
        )


class MixerLayer(nn.Module):
    """One perceptron over the places of an image, one over the channels of a place."""

    def __init__(self, places: int, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.places = nn.Sequential(nn.Linear(places, 2 * places), nn.GELU(), nn.Linear(2 * places, places))
        self.channels = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.places(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norms[1](x))


class Mixer(nn.Module):
    """MLP-Mixer (arXiv 2105.01601) on patches of 4 x 4 pixels: no convolution but the cutting into patches."""

    width = 192

    def __init__(self, side: int) -> None:
        check_side(side)
        super().__init__()
        self.patches = nn.Conv2d(3, self.width, 4, stride=4)
        self.layers = nn.Sequential(*(MixerLayer(64, self.width) for _ in range(3)), nn.LayerNorm(self.width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(self.patches(x).flatten(2).transpose(1, 2)).mean(1)


BACKBONES: dict[str, Callable[[int], nn.Module]] = {"convnet": ConvNet, "resnet": ResNet, "mixer": Mixer}
