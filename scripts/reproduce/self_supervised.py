"""The baselines that need no targets: SimCLR (arXiv 2002.05709) and BYOL (arXiv 2006.07733), reduced to what a CPU can do.

Same images, backbones, batch and views as the students' (colours changed twice as much, as both papers want), so that a step costs about the same.
"""
import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from backbones import BACKBONES
from images import Images, views
from probe import core_seconds, probe
from student import Settings

TEMPERATURE = 0.3
# share of the teacher that stays at the first step; it grows to 1 in a cosine (BYOL's section 3.3, for short training)
KEEP = 0.97
JITTER, GREY = 0.8, 0.2


def head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Linear(256, 128))


def contrast(z: torch.Tensor) -> torch.Tensor:
    """NT-Xent of 2n projections, of which i and i + n are views of one image."""
    n = len(z) // 2
    z = F.normalize(z.float())
    similarity = (z @ z.T / TEMPERATURE).fill_diagonal_(-math.inf)
    return F.cross_entropy(similarity, torch.arange(2 * n, device=z.device).roll(n))


def train_self_supervised(method: str, settings: Settings, rows: torch.Tensor, train: Images, test: Images, precision: torch.dtype) -> dict:
    """As train_student, without targets. `method` is simclr or byol."""
    torch.manual_seed(settings.seed)
    device = train.pixels.device
    backbone = BACKBONES[settings.backbone](train.pixels.shape[2])
    online = nn.Sequential(backbone, head(backbone.width)).to(device, memory_format=torch.channels_last)
    predictor = head(128).to(device) if method == "byol" else nn.Identity()
    teacher = copy.deepcopy(online).requires_grad_(False)
    parameters = [*online.parameters(), *predictor.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=settings.decay, fused=True)
    steps = settings.epochs * -(-len(rows) // settings.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, steps)
    points, spent, step = [], 0.0, 0
    for epoch in range(1, settings.epochs + 1):
        started = core_seconds(device)
        total = 0.0
        for batch in torch.randperm(len(rows), device=device).split(settings.batch):
            if len(batch) < 2:  # batch normalisation needs two
                continue
            pixels = train.pixels[rows[batch]].repeat(2, 1, 1, 1)
            x = views(pixels, (settings.scale[0], settings.scale[1]), JITTER, GREY)
            with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
                out = predictor(online(x))
                if method == "byol":
                    with torch.no_grad():
                        aim = teacher(x).float().roll(len(batch), 0)
            loss = contrast(out) if method == "simclr" else (1 - F.cosine_similarity(out.float(), aim)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if method == "byol":
                keep = 1 - (1 - KEEP) * (math.cos(math.pi * step / steps) + 1) / 2
                with torch.no_grad():
                    for slow, fast in zip(teacher.parameters(), online.parameters()):
                        slow.lerp_(fast, 1 - keep)
            total += loss.item() * len(batch)
        spent += core_seconds(device) - started
        if epoch == settings.epochs or epoch in settings.probes:
            accuracy = probe(backbone, train, test, precision)
            points.append({"epoch": epoch, "accuracy": accuracy, "loss": total / len(rows), "seconds": spent})
    return {"accuracy": points[-1]["accuracy"], "points": points, "seconds": spent}
