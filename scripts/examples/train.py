#!/usr/bin/env python3
"""Train a small student on a merged dataset: images in, CoOpt's targets out, weight * (1 - cosine) as the loss.

    pip install torch numpy pillow pyarrow fsspec aiohttp
    python train.py http://127.0.0.1:18480/ipfs/CID     # coopt up, or any IPFS gateway
    python train.py path/to/dataset                     # or a directory: coopt merge --out, ipfs get, coopt export

Runs on the CPU. Prints the mean cosine on a tenth of the rows that is held out, and saves the student with everything needed to use it.
"""
import argparse
import io
import json

import fsspec
import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F


def load(root: str, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images (rows, 3, size, size) as bytes, targets (rows, n) and weights (rows) as float32. croissant.json has the files' names."""
    with fsspec.open(f"{root}/croissant.json") as file:
        description = json.load(file)
    shards = next(entry["includes"] for entry in description["distribution"] if entry["@type"] == "cr:FileSet")
    images, targets, weights = [], [], []
    for shard in shards:
        with fsspec.open(f"{root}/{shard}") as file:
            table = pq.read_table(file)
        weight = table["weight"].to_numpy() if "weight" in table.column_names else np.ones(len(table), np.float32)
        for i, (image, target) in enumerate(zip(table["image"], table["target"])):
            if not target.is_valid:  # a human prior gave no label
                continue
            picture = Image.open(io.BytesIO(image["bytes"].as_py())).convert("RGB").resize((size, size))
            images.append(np.asarray(picture))
            targets.append(target.values.to_numpy().astype(np.float32))
            weights.append(weight[i])
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return pixels, torch.from_numpy(np.stack(targets)), torch.from_numpy(np.stack(weights))


def student(width: int, dimension: int) -> nn.Module:
    """Four convolutions and a linear head: replace it by any architecture whose last layer has `dimension` outputs."""
    layers: list[nn.Module] = []
    channels = [3, width, 2 * width, 4 * width, 4 * width]
    for i, (before, after) in enumerate(zip(channels, channels[1:])):
        layers += [nn.Conv2d(before, after, 3, stride=1 if i == 0 else 2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, dimension))


def augment(images: torch.Tensor) -> torch.Tensor:
    """One view of each image: shifted by up to an eighth, and mirrored or not."""
    size, reach = images.shape[-1], images.shape[-1] // 8
    padded = F.pad(images, [reach] * 4, mode="reflect")
    y, x = torch.randint(0, 2 * reach + 1, (2, len(images), 1), device=images.device)
    rows, columns = y + torch.arange(size, device=images.device), x + torch.arange(size, device=images.device)
    mirrored = torch.rand(len(images), 1, device=images.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    index = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def normalise(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 127.5 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", help="URL of a gateway with the CID of a merged dataset, or a directory")
    parser.add_argument("--out", default="student.pt")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32, help="pixels of an image's side")
    parser.add_argument("--width", type=int, default=24, help="channels of the first convolution")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-weight", action="store_true", help="let every row count alike, whatever its weight")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, targets, weights = (t.to(device) for t in load(args.root.rstrip("/"), args.size))
    if args.no_weight:
        weights = torch.ones_like(weights)
    held, kept = torch.randperm(len(images)).to(device).split([len(images) // 10, len(images) - len(images) // 10])
    mean = F.cosine_similarity(targets[kept].mean(0), targets[held]).mean()
    print(f"{len(images)} images, targets of {targets.shape[1]} dimensions; the mean target has cosine {mean:.4f}, the mean weight is {weights.mean():.3f}")

    model = student(args.width, targets.shape[1]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.05)
    steps = args.epochs * -(-len(kept) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.rate, total_steps=steps)
    for epoch in range(args.epochs):
        model.train()
        for batch in kept[torch.randperm(len(kept), device=device)].split(args.batch):
            views = torch.cat([augment(images[batch]), augment(images[batch])])
            distance = 1 - F.cosine_similarity(model(normalise(views)), targets[batch].repeat(2, 1))
            loss = (weights[batch].repeat(2) * distance).mean() / weights.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            cosine = F.cosine_similarity(model(normalise(images[held])), targets[held]).mean()
        print(f"epoch {epoch + 1}: loss {loss:.4f}, held-out cosine {cosine:.4f}")

    state = {"model": model.state_dict(), "width": args.width, "dimension": targets.shape[1], "size": args.size}
    torch.save(state, args.out)
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
