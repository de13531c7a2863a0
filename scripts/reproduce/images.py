"""Images as tensors: loaded once as bytes, cropped, mirrored and coloured in whole batches."""
import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

# mean and standard deviation of CIFAR-10's channels, for all sets: a student of its own has no other use for them
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2470, 0.2435, 0.2616)


@dataclass
class Images:
    """pixels uint8 (rows, 3, side, side) in channels_last order; labels int64 (rows,), for the probe only; id of each row."""

    pixels: torch.Tensor
    labels: torch.Tensor
    ids: list[str]

    def rows_of(self, ids: list[str]) -> torch.Tensor:
        """Row numbers of these ids. Raises KeyError if one is not there."""
        row = {name: i for i, name in enumerate(self.ids)}
        return torch.tensor([row[name] for name in ids])


def load_images(stem: Path, device: str) -> Images:
    """STEM.rgb: bytes (rows, side, side, 3); STEM.csv: id,label of each row. image-files.ts writes both."""
    with open(f"{stem}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    pixels = torch.from_numpy(np.fromfile(f"{stem}.rgb", np.uint8)).view(len(rows), -1)
    side = math.isqrt(pixels.shape[1] // 3)
    pixels = pixels.view(len(rows), side, side, 3).permute(0, 3, 1, 2)
    labels = torch.tensor([int(row["label"]) for row in rows])
    return Images(pixels.to(device), labels.to(device), [row["id"] for row in rows])


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes to float32 of mean 0 and deviation 1, channels_last."""
    mean, deviation = (torch.tensor(v, device=pixels.device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return ((pixels.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def views(pixels: torch.Tensor, scale: tuple[float, float], jitter: float, grey: float) -> torch.Tensor:
    """One view of each image: a crop of between scale[0] and scale[1] of its area, mirrored or not, with brightness, contrast and each
    channel changed by up to `jitter`, and grey with probability `grey`. Random numbers of torch's global generator."""
    n, device = len(pixels), pixels.device
    side = torch.empty(n, device=device).uniform_(*scale).sqrt()
    centre = (torch.rand(n, 2, device=device) * 2 - 1) * (1 - side)[:, None]
    mirror = torch.randint(0, 2, (n,), device=device) * 2 - 1
    theta = torch.zeros(n, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = side * mirror, side, centre
    grid = F.affine_grid(theta, [n, 3, *pixels.shape[2:]], align_corners=False)
    images = F.grid_sample(normalise(pixels), grid, padding_mode="reflection", align_corners=False)
    if jitter > 0:
        mean = images.mean((1, 2, 3), keepdim=True)
        gain = torch.empty(n, 3, 1, 1, device=device).uniform_(1 - jitter / 2, 1 + jitter / 2)
        gain = gain * torch.empty(n, 1, 1, 1, device=device).uniform_(1 - jitter / 2, 1 + jitter / 2)
        shift = torch.empty(n, 1, 1, 1, device=device).uniform_(-jitter, jitter)
        images = (images - mean) * gain + (mean + shift)
    if grey > 0:
        chosen = torch.rand(n, 1, 1, 1, device=device) < grey
        images = torch.where(chosen, images.mean(1, keepdim=True), images)
    return images.contiguous(memory_format=torch.channels_last)
