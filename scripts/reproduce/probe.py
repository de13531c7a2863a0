"""Offline linear probing: the backbone is frozen, a linear classifier is fitted to its features, its accuracy on test images is the score."""
import time

import torch
from torch import nn
from torch.nn import functional as F

from images import Images, normalise

# of the images, the first so many: what the priors' own figures are fitted on
PROBE_ROWS = 5000
# ridge's penalty, as a share of the features' mean variance
PENALTIES = [10.0**e for e in range(-6, 2)]
BATCH = 500


def core_seconds(device: torch.device) -> float:
    """A clock: of this process's work on a CPU (others on the machine do not count), of the wall on a GPU."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.no_grad()
def features(backbone: nn.Module, pixels: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
    """float64 (rows, width)."""
    backbone.eval()
    parts = []
    for batch in pixels.split(BATCH):
        with torch.autocast(batch.device.type, dtype=precision, enabled=precision != torch.float32):
            parts.append(backbone(normalise(batch)).double())
    backbone.train()
    return torch.cat(parts)


Fit = tuple[torch.Tensor, torch.Tensor]


def ridge(x: torch.Tensor, labels: torch.Tensor, penalties: list[float]) -> list[Fit]:
    """Least squares to one-hot labels, for each penalty weights (width, classes) and intercept (classes,)."""
    y = F.one_hot(labels).double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    gram, moment = (x - x_mean).T @ (x - x_mean), (x - x_mean).T @ (y - y_mean)
    unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device) * gram.diagonal().mean()
    fits = [torch.linalg.solve(gram + (p + 1e-12) * unit, moment) for p in penalties]
    return [(weights, y_mean - x_mean @ weights) for weights in fits]


def accuracy(x: torch.Tensor, labels: torch.Tensor, fit: Fit) -> float:
    return ((x @ fit[0] + fit[1]).argmax(1) == labels).double().mean().item()


def probe(backbone: nn.Module, train: Images, test: Images, precision: torch.dtype) -> float:
    """Accuracy on `test` of a ridge classifier on L2-normalised features, its penalty chosen on the last fifth of `train`."""
    labels = train.labels[:PROBE_ROWS]
    x, held = (F.normalize(features(backbone, pixels, precision)) for pixels in (train.pixels[:PROBE_ROWS], test.pixels))
    kept = len(x) * 4 // 5
    scores = [accuracy(x[kept:], labels[kept:], fit) for fit in ridge(x[:kept], labels[:kept], PENALTIES)]
    best = PENALTIES[scores.index(max(scores))]
    return accuracy(held, test.labels, ridge(x, labels, [best])[0])
