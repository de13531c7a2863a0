#!/usr/bin/env python3
"""Known answers for the preprocessing: Pillow's decoder and resize, and the image processors of Hugging Face transformers.

    python3 -m venv .venv && .venv/bin/pip install pillow==11.3.0 numpy==2.4.6 "transformers==4.57.6"
    .venv/bin/python scripts/make-preprocess-vectors.py > test/vectors/preprocess.json

Pillow before 13: from 13 on the cheaper pass of a resize comes first, which moves some pixels by one level.

Images are arithmetic, so that nothing but results has to be stored: hashes where the answer is exact (8-bit pixels), sampled values
where it is floating point.
"""
import base64
import hashlib
import io
import json

import numpy
import PIL
import transformers
from PIL import Image

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
SAMPLES = 48


def pattern(height, width, channels=3):
    """The same formula as in test/src/optimize/preprocess.test.ts: smooth on the left, wild on the right."""
    y, x, c = numpy.meshgrid(numpy.arange(height), numpy.arange(width), numpy.arange(channels), indexing="ij")
    smooth = (x * 255) // width // 2 + (y * 255) // height // 2
    wild = (3 * x * x + 5 * x * y + 17 * y + 31 * c) % 256
    return numpy.where(x < width // 2, smooth, wild).astype(numpy.uint8)


def digest(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()


def resizes():
    sizes = [((32, 32), (224, 224)), ((300, 401), (224, 224)), ((97, 41), (32, 50)), ((64, 64), (63, 65)), ((5, 3), (17, 1)), ((40, 30), (40, 7))]
    for source, target in sizes:
        for name, number in FILTERS.items():
            out = Image.fromarray(pattern(*source)).resize((target[1], target[0]), number)
            yield {"from": source, "to": target, "filter": name, "sha256": digest(numpy.asarray(out))}


def pipelines():
    t = transformers
    processors = [
        ("CLIP", t.CLIPImageProcessor()),
        ("ViT", t.ViTImageProcessor()),
        ("ConvNeXT below 384", t.ConvNextImageProcessor(size={"shortest_edge": 224}, crop_pct=0.875)),
        ("ConvNeXT from 384", t.ConvNextImageProcessor(size={"shortest_edge": 384})),
        ("DINOv2", t.BitImageProcessor(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}, resample=3,
                                       image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])),
        ("SigLIP", t.SiglipImageProcessor()),
        ("DeiT", t.DeiTImageProcessor()),
        ("crop larger than the image", t.CLIPImageProcessor(do_resize=False, crop_size={"height": 40, "width": 53})),
    ]
    for name, processor in processors:
        for height, width in [(75, 131), (37, 37), (290, 251)]:
            if name.startswith("crop") and (height, width) != (37, 37):
                continue
            array = processor(Image.fromarray(pattern(height, width)), return_tensors="np")["pixel_values"][0]
            flat = array.reshape(-1).astype(numpy.float64)
            at = [int(i) for i in numpy.linspace(0, flat.size - 1, SAMPLES).astype(int)]
            config = json.loads(processor.to_json_string())
            yield {
                "name": name,
                "config": config,
                "image": [height, width],
                "shape": list(array.shape),
                "sum": float(flat.sum()),
                "squares": float((flat * flat).sum()),
                "at": at,
                "values": [round(float(flat[i]), 7) for i in at],
            }


def encoded():
    rgb = Image.fromarray(pattern(20, 27))
    alpha = Image.fromarray(numpy.concatenate([pattern(20, 27), pattern(20, 27, 1)], axis=2))
    gray = Image.fromarray(pattern(20, 27, 1)[:, :, 0])
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees: must be left alone
    images = [
        ("jpeg 4:2:0", rgb, "JPEG", {"quality": 90, "subsampling": 2}),
        ("jpeg 4:4:4", rgb, "JPEG", {"quality": 95, "subsampling": 0}),
        ("jpeg progressive", rgb, "JPEG", {"quality": 80, "progressive": True}),
        ("jpeg turned by exif", rgb, "JPEG", {"quality": 90, "exif": exif}),
        ("jpeg grey", gray, "JPEG", {"quality": 90}),
        ("png", rgb, "PNG", {}),
        ("png with alpha", alpha, "PNG", {}),
        ("png palette", rgb.quantize(16), "PNG", {}),
        ("png grey", gray, "PNG", {}),
        ("png grey with alpha", alpha.convert("LA"), "PNG", {}),
        ("png bilevel", gray.convert("1"), "PNG", {}),
        ("webp lossless", rgb, "WEBP", {"lossless": True}),
        ("webp lossy", rgb, "WEBP", {"quality": 80}),
        ("webp with alpha", alpha, "WEBP", {"lossless": True, "exact": True}),
    ]
    for name, image, kind, options in images:
        file = io.BytesIO()
        image.save(file, kind, **options)
        pixels = numpy.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
        grey = numpy.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB").convert("L"))
        yield {
            "name": name,
            "bytes": base64.b64encode(file.getvalue()).decode(),
            "size": list(pixels.shape[:2]),
            "rgb": digest(pixels),
            "grey": digest(grey),
            "format": kind.lower(),
        }


print(json.dumps({
    "note": f"made by scripts/make-preprocess-vectors.py with Pillow {PIL.__version__}, numpy {numpy.__version__}, transformers {transformers.__version__}",
    "resizes": list(resizes()),
    "pipelines": list(pipelines()),
    "encoded": list(encoded()),
}, indent=1))
