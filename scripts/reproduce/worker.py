"""Trains students one after the other: a JSON line of work on stdin, a JSON line of figures on stdout. One thread each.

    {"id": …, "method": "student" | "simclr" | "byol" | "untrained", "targets": "FILE.npy", "weights": "FILE.npy" | null,
     "images": "NAME", "settings": {…}}
    {"id": …, "accuracy": …, "points": [{"epoch": …, "accuracy": …, "loss": …, "seconds": …}], "seconds": …} or {"id": …, "error": …}

`images` is a folder below that of --images; without it the images are those of --images itself. `seconds` are of training only. They are this process's own on a CPU (work of others on the machine does not count), of the wall on a GPU.
"""
import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from backbones import BACKBONES
from images import Images, load_images
from probe import probe
from self_supervised import train_self_supervised
from student import Settings, load_targets, train_student


def precision_of(device: str) -> torch.dtype:
    """bfloat16 where there is hardware for its matrix products (elsewhere it is slower than float32)."""
    if device != "cpu":
        return torch.bfloat16
    flags = Path("/proc/cpuinfo")
    return torch.bfloat16 if flags.exists() and "amx_bf16" in flags.read_text() else torch.float32


def run(job: dict, train: Images, test: Images, precision: torch.dtype) -> dict:
    """Raises KeyError, ValueError or OSError if the work makes no sense."""
    settings = replace(Settings(), **job["settings"])
    device = train.pixels.device
    if job["method"] == "untrained":
        torch.manual_seed(settings.seed)
        backbone = BACKBONES[settings.backbone](train.pixels.shape[2]).to(device, memory_format=torch.channels_last)
        return {"accuracy": probe(backbone, train, test, precision), "points": [], "seconds": 0.0}
    targets = load_targets(Path(job["targets"]), train, test, job.get("weights"))
    if job["method"] == "student":
        return train_student(settings, targets, train, test, precision)
    return train_self_supervised(job["method"], settings, targets[0], train, test, precision)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="folder with train.rgb, train.csv, test.rgb, test.csv")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    precision = precision_of(args.device)
    sets: dict[str, tuple[Images, Images]] = {}
    print(json.dumps({"ready": torch.__version__, "precision": str(precision).removeprefix("torch.")}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            name = job.get("images") or "."
            if name not in sets:
                sets[name] = tuple(load_images(args.images / name / stem, args.device) for stem in ("train", "test"))
            print(json.dumps({"id": job["id"], **run(job, *sets[name], precision)}), flush=True)
        except (KeyError, ValueError, OSError, RuntimeError) as error:
            print(json.dumps({"id": job["id"], "error": f"{type(error).__name__}: {error}"}), flush=True)


if __name__ == "__main__":
    main()
