"""One student: a backbone and a linear head learn the targets of a merged dataset, 1 - cosine as the loss, two views of each image."""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from backbones import BACKBONES
from images import Images, views
from probe import core_seconds, probe


@dataclass
class Settings:
    """Of one run, as the work list has them. The defaults are the default student's."""

    backbone: str = "convnet"
    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.01
    scale: list[float] = field(default_factory=lambda: [0.5, 1.0])
    jitter: float = 0.4
    grey: float = 0.1
    seed: int = 0
    probes: list[int] = field(default_factory=list)


def load_targets(path: Path, train: Images, test: Images, weights: str | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of `train`, their unit targets (rows, n), and the weight of each row (mean 1). Test images among the targets are left out."""
    device = train.pixels.device
    targets = torch.from_numpy(np.load(path)).float()
    ids = Path(f"{path}.ids.txt").read_text().split()
    if len(ids) != len(targets):
        raise ValueError(f"{path}: {len(targets)} targets, {len(ids)} ids")
    held = set(test.ids)
    kept = [i for i, name in enumerate(ids) if name not in held]
    rows, targets = train.rows_of([ids[i] for i in kept]), targets[kept]
    share = torch.ones(len(rows)) if weights is None else torch.from_numpy(np.load(weights)).float()[kept]
    return rows.to(device), F.normalize(targets).to(device), (share / share.mean()).to(device)


def train_student(
    settings: Settings, targets: tuple[torch.Tensor, torch.Tensor, torch.Tensor], train: Images, test: Images, precision: torch.dtype
) -> dict:
    """Accuracy of the linear probe after the last epoch and after those of settings.probes; seconds without the probes."""
    torch.manual_seed(settings.seed)
    rows, y, weight = targets
    device = train.pixels.device
    backbone = BACKBONES[settings.backbone](train.pixels.shape[2])
    model = nn.Sequential(backbone, nn.Linear(backbone.width, y.shape[1])).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=settings.decay, fused=True)
    # falls to a tenth in a straight line: so few epochs are noisy without
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, settings.epochs * -(-len(rows) // settings.batch))
    points, spent = [], 0.0
    for epoch in range(1, settings.epochs + 1):
        started = core_seconds(device)
        total = 0.0
        for batch in torch.randperm(len(rows), device=device).split(settings.batch):
            if len(batch) < 2:  # batch normalisation needs two
                continue
            pixels = train.pixels[rows[batch]].repeat(2, 1, 1, 1)
            x = views(pixels, (settings.scale[0], settings.scale[1]), settings.jitter, settings.grey)
            with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
                out = model(x)
            loss = ((1 - F.cosine_similarity(out.float(), y[batch].repeat(2, 1))) * weight[batch].repeat(2)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        spent += core_seconds(device) - started
        if epoch == settings.epochs or epoch in settings.probes:
            accuracy = probe(backbone, train, test, precision)
            points.append({"epoch": epoch, "accuracy": accuracy, "loss": total / len(rows), "seconds": spent})
    return {"accuracy": points[-1]["accuracy"], "points": points, "seconds": spent}
