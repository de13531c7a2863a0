"""
Models with random weights as common exporters write them, for test/interop/models.test.ts:

    python make_models.py FOLDER

Writes FOLDER/<name>/…, FOLDER/image.png and FOLDER/models.json: for each model its file and the feature that ONNX Runtime gives for the
image, in Python and from the float32 model. Weights are random and tiny; nothing is downloaded.
"""
import json
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from PIL import Image

warnings.filterwarnings("ignore")
torch.manual_seed(1)
SIZE = 32
OUT = sys.argv[1]
PIXELS = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
IMAGE = ((PIXELS.astype(np.float32) / 255 - 0.45) / 0.25).transpose(2, 0, 1)[None]
SETTINGS = {"do_resize": False, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.45] * 3, "image_std": [0.25] * 3}
MODELS = {}


def path(name, file="model.onnx"):
    os.makedirs(os.path.join(OUT, name), exist_ok=True)
    return os.path.join(OUT, name, file)


def note(name, file="model.onnx", tensor=None, reference=None, tolerance=1e-4):
    """The feature by ONNX Runtime in Python, from the same file or from `reference`: [N, l], maps and tokens averaged."""
    model = onnx.load(reference or path(name, file))
    if tensor is not None and tensor not in [o.name for o in model.graph.output]:
        model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options)
    kind = session.get_inputs()[0].type
    image = IMAGE.astype(np.float16 if "float16" in kind else np.float32)
    tensor = tensor or session.get_outputs()[0].name
    feature = session.run([tensor], {session.get_inputs()[0].name: image})[0].astype(np.float64)
    if feature.ndim == 4:
        feature = feature.mean(axis=(2, 3))
    if feature.ndim == 3:
        feature = feature.mean(axis=1)
    with open(path(name, "preprocessor_config.json"), "w") as settings:
        json.dump(SETTINGS, settings)
    MODELS[name] = {"file": os.path.relpath(path(name, file), OUT), "feature": feature[0].tolist(), "tolerance": tolerance}


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 3, stride=2, padding=1), torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
        )
        self.head = torch.nn.Linear(32, 10)

    def forward(self, pixel_values):
        return self.head(self.body(pixel_values))


class Squeezing(torch.nn.Module):
    """Scripted, `squeeze` of a dimension of unknown size becomes an If."""

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        y = torch.nn.functional.adaptive_avg_pool2d(pixel_values, 1)
        if y.shape[1] == 3:
            y = y * 2.0
        return y.squeeze(3).squeeze(2)


def export(module, file, output, **options):
    torch.onnx.export(
        module.eval(), (torch.zeros(2, 3, SIZE, SIZE),), file, input_names=["pixel_values"], output_names=[output],
        dynamo=False, opset_version=17, dynamic_axes={"pixel_values": {0: "batch"}, output: {0: "batch"}}, **options)


def feature_tensor(file):
    """The data input of the last product with weights."""
    return [n for n in onnx.load(file, load_external_data=False).graph.node if n.op_type == "Gemm"][-1].input[0]


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = [IMAGE, -IMAGE, IMAGE * 0.5]

    def get_next(self):
        return {"pixel_values": self.left.pop()} if self.left else None


module = Classifier()
torchscript = path("torchscript")
export(module, torchscript, "logits")
hidden = feature_tensor(torchscript)
note("torchscript", tensor=hidden)

with torch.no_grad():
    torch.onnx.export(
        module.eval(), (torch.zeros(2, 3, SIZE, SIZE),), path("dynamo"), input_names=["pixel_values"], output_names=["logits"],
        dynamo=True, dynamic_shapes={"pixel_values": {0: torch.export.Dim("batch", min=1, max=64)}}, external_data=True, verbose=False)
note("dynamo", tensor=feature_tensor(path("dynamo")))

torch.jit.script(Squeezing()).save(path("if", "scripted.pt"))
export(torch.jit.script(Squeezing()), path("if"), "features")
note("if")

onnx.save_model(onnx.load(torchscript), path("external"), save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)
note("external", tensor=hidden)

onnx.save(convert_float_to_float16(onnx.load(torchscript)), path("float16"))
note("float16", tensor=hidden, tolerance=2e-2)
onnx.save(convert_float_to_float16(onnx.load(torchscript), keep_io_types=True), path("float16-inside"))
note("float16-inside", tensor=hidden, tolerance=2e-2)

# 8 bits: the feature of the float model, within the precision of 8 bits
quantize_dynamic(torchscript, path("int8-dynamic"), weight_type=QuantType.QUInt8)
note("int8-dynamic", tensor=hidden, reference=torchscript, tolerance=0.1)
quantize_static(torchscript, path("int8-qdq"), Images(), quant_format=QuantFormat.QDQ)
note("int8-qdq", tensor=hidden, reference=torchscript, tolerance=0.1)
quantize_static(torchscript, path("int8-qoperator"), Images(), quant_format=QuantFormat.QOperator)
note("int8-qoperator", tensor=hidden, reference=torchscript, tolerance=0.1)

for level in ("BASIC", "EXTENDED", "ALL"):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, "ORT_ENABLE_" + level)
    options.optimized_model_filepath = path("ort-" + level.lower())
    options.log_severity_level = 3
    ort.InferenceSession(torchscript, options)
    note("ort-" + level.lower(), reference=torchscript, tensor=hidden)

# towers as transformers makes them, exported by both exporters
try:
    from transformers import (CLIPVisionConfig, CLIPVisionModelWithProjection, ConvNextConfig, ConvNextModel, Dinov2Config, Dinov2Model,
                              ResNetConfig, ResNetForImageClassification, SiglipVisionConfig, SiglipVisionModel, ViTConfig,
                              ViTForImageClassification)
except ImportError:
    pass
else:
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": SIZE, "patch_size": 8}
    TOWERS = {
        "clip": (CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=16, **small)), "image_embeds"),
        "siglip": (SiglipVisionModel(SiglipVisionConfig(**small)), "pooler_output"),
        "dinov2": (Dinov2Model(Dinov2Config(**small)), "pooler_output"),
        "convnext": (ConvNextModel(ConvNextConfig(hidden_sizes=[8, 16, 32, 32], depths=[1, 1, 1, 1])), "pooler_output"),
        "vit": (ViTForImageClassification(ViTConfig(num_labels=5, **small)), "logits"),
        "resnet": (ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=5)), "logits"),
    }

    class Tower(torch.nn.Module):
        def __init__(self, model, output):
            super().__init__()
            self.model, self.output = model, output

        def forward(self, pixel_values):
            return getattr(self.model(pixel_values), self.output)

    for name, (tower, output) in TOWERS.items():
        try:
            with torch.no_grad():
                export(Tower(tower, output), path("tower-" + name), output)
            last = feature_tensor(path("tower-" + name)) if output == "logits" else None
            note("tower-" + name, tensor=last)
        except Exception as error:  # an exporter that does not support the newest transformers
            sys.stderr.write(f"skipped: {name}: {type(error).__name__}: {str(error)[:200]}\n")
            MODELS.pop("tower-" + name, None)

with open(os.path.join(OUT, "models.json"), "w") as file:
    json.dump(MODELS, file)
Image.fromarray(PIXELS).save(os.path.join(OUT, "image.png"))
