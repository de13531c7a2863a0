"""Python's side of optimize.ts: read, decode, resize, infer, one image after another, as one would write it. Arguments: a JSON file."""

import json
import os
import sys
import time

try:
    import numpy as np
    import onnxruntime
    from PIL import Image
except ImportError as error:
    print(json.dumps({"missing": error.name}))
    sys.exit(0)

os.nice(10)
with open(sys.argv[1]) as file:
    task = json.load(file)
steps = task["preprocessing"]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = task["threads"]
options.inter_op_num_threads = 1
options.log_severity_level = 3
session = onnxruntime.InferenceSession(task["model"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
output = session.get_outputs()[0].name
mean = np.array(steps["mean"], np.float32)[:, None, None]
std = np.array(steps["std"], np.float32)[:, None, None]
scale = np.float32(steps["rescale"])
resample = getattr(Image.Resampling, steps["filter"].upper())
height, width = steps["height"], steps["width"]


def prepare(path):
    image = Image.open(path).convert("RGB")
    to = steps.get("resize")
    if to is not None:
        if "shortestEdge" in to:
            edge = to["shortestEdge"]
            w, h = image.size
            size = (edge, edge * h // w) if w <= h else (edge * w // h, edge)
        else:
            size = (to["width"], to["height"])
        if image.size != size:
            image = image.resize(size, resample)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    if (image.width, image.height) != (width, height):
        image = image.crop((left, top, left + width, top + height))
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
    return (pixels * scale - mean) / std


def run(paths):
    batch = np.stack([prepare(path) for path in paths])
    if task["layout"] == "nhwc":
        batch = batch.transpose(0, 2, 3, 1)
    return session.run([output], {name: batch})[0]


files = task["files"]
rows = task["rows"]
run(files[:rows])
started = time.perf_counter()
for first in range(0, len(files), rows):
    run(files[first : first + rows])
print(json.dumps({"rate": len(files) / (time.perf_counter() - started)}))
