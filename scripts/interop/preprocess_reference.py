"""
Photos preprocessed by transformers, timm and open_clip themselves, for test/interop/preprocess.test.ts:

    python preprocess_reference.py FOLDER PHOTO...

Writes FOLDER/<name>/ with the settings as the library itself saves them, and FOLDER/<name>.<backend>.f32: the tensors of all photos,
little-endian float32, one after the other. FOLDER/cases.json names them. No weights are made or loaded, apart from timm's random ones.
"""
import json
import os
import sys
import warnings

import numpy as np
import open_clip
import timm
import torch
import transformers
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.models._hub import save_config_for_hf

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
OUT = sys.argv[1]
PHOTOS = [Image.open(path).convert("RGB") for path in sys.argv[2:]]
CASES = []


def folder(name):
    os.makedirs(os.path.join(OUT, name), exist_ok=True)
    return os.path.join(OUT, name)


def write(name, backend, tensors):
    np.concatenate([np.asarray(t, dtype="<f4").reshape(-1) for t in tensors]).tofile(os.path.join(OUT, f"{name}.{backend}.f32"))
    CASES.append({"name": name, "backend": backend, "shape": list(np.asarray(tensors[0]).shape[-3:])})


def settings(name, value, file="preprocessor_config.json"):
    with open(os.path.join(folder(name), file), "w") as f:
        json.dump(value, f)


def processor(name, cls, suffix="ImageProcessor", nested=False, **options):
    """Saved by the first of the two backends, applied by both."""
    for backend, ending in (("pillow", "Pil"), ("torchvision", "")):
        made = getattr(transformers, cls + suffix + ending, None)
        if made is None or getattr(made, "backend", None) is None:
            continue
        made = made(**options)
        if not os.path.isdir(os.path.join(OUT, name)):
            made.save_pretrained(folder(name))
            if nested:
                with open(os.path.join(OUT, name, "preprocessor_config.json")) as f:
                    settings(name, {"image_processor": json.load(f), "processor_class": "CLIPProcessor"}, "processor_config.json")
                os.remove(os.path.join(OUT, name, "preprocessor_config.json"))
        write(name, backend, [made(p, return_tensors="np")["pixel_values"][0] for p in PHOTOS])


# the defaults of every class that is known here
for family in ("Beit", "Bit", "Blip", "CLIP", "Chameleon", "ChineseCLIP", "ConvNext", "DINOv3ViT", "DPT", "DeiT", "EfficientNet", "Flava", "Levit",
               "MobileNetV1", "MobileNetV2", "MobileViT", "OwlViT", "PoolFormer", "Pvt", "Segformer", "Siglip", "ViT"):
    processor(family, family)
# what published models set
processor("convnext-224", "ConvNext", size={"shortest_edge": 224})
processor("convnext-96", "ConvNext", size={"shortest_edge": 96}, crop_pct=0.95, resample=2)
processor("dinov2", "Bit", size={"shortest_edge": 256}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
processor("efficientnet-b0", "EfficientNet", size={"height": 224, "width": 224}, resample=0, image_mean=[0.485, 0.456, 0.406],
          image_std=[0.47853944, 0.4732864, 0.47434163])
processor("align", "EfficientNet", size={"height": 346, "width": 346}, do_center_crop=True, rescale_factor=1 / 127.5, rescale_offset=True,
          do_normalize=False, include_top=False, resample=2)
processor("siglip-384", "Siglip", nested=True, size={"height": 384, "width": 384})
processor("vit-nearest", "ViT", resample=0, size={"height": 96, "width": 160})
processor("vit-lanczos", "ViT", resample=1)
processor("clip-larger-crop", "CLIP", size={"shortest_edge": 96}, crop_size={"height": 131, "width": 96})
processor("clip-336", "CLIP", nested=True, size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
processor("levit-192", "Levit", size={"shortest_edge": 192}, crop_size={"height": 192, "width": 192})
processor("poolformer-95", "PoolFormer", crop_pct=0.95)

# timm: as its models save themselves
for name, model, options in (
    ("timm-resnet18", "resnet18", {}),
    ("timm-vit", "vit_tiny_patch16_224", {}),
    ("timm-mobilenet", "mobilenetv3_small_050", {}),
    ("timm-squash", "resnet18", {"crop_mode": "squash", "crop_pct": 0.95, "interpolation": "bicubic"}),
    ("timm-border", "resnet18", {"crop_mode": "border", "crop_pct": 1.0, "mean": [0.5, 0.4, 0.3]}),
    ("timm-wide", "resnet18", {"input_size": (3, 160, 256), "crop_pct": 0.9}),
    ("timm-odd", "resnet18", {"input_size": (3, 223, 223), "crop_pct": 0.875, "interpolation": "lanczos"}),
):
    net = timm.create_model(model, pretrained=False, pretrained_cfg_overlay=options)
    save_config_for_hf(net, os.path.join(folder(name), "config.json"))
    with open(os.path.join(OUT, name, "config.json")) as f:
        config = resolve_data_config({}, pretrained_cfg=json.load(f)["pretrained_cfg"])
    transform = create_transform(**config, is_training=False)
    write(name, "pillow", [transform(p).numpy() for p in PHOTOS])

# open_clip
for name, size, options in (
    ("open-clip-b32", 224, {}),
    ("open-clip-siglip", 256, {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "resize_mode": "squash"}),
    ("open-clip-longest", 224, {"resize_mode": "longest", "fill_color": 255}),
    ("open-clip-wide", (160, 256), {"interpolation": "bilinear"}),
):
    cfg = PreprocessCfg(size=size, **options)
    value = {k: v for k, v in vars(cfg).items() if k in ("mean", "std", "interpolation", "resize_mode", "fill_color")}
    settings(name, {"model_cfg": {"vision_cfg": {"image_size": size}}, "preprocess_cfg": value}, "open_clip_config.json")
    transform = image_transform_v2(cfg, is_train=False)
    write(name, "pillow", [transform(p).numpy() for p in PHOTOS])

with open(os.path.join(OUT, "cases.json"), "w") as f:
    json.dump({"cases": CASES, "versions": {m.__name__: m.__version__ for m in (transformers, timm, open_clip, torch)}}, f)
