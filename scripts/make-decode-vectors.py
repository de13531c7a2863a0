#!/usr/bin/env python3
"""Known answers for decoding: the result of Pillow's convert("RGB") for formats other than everyday JPEG, PNG and WebP.

    python3 -m venv .venv && .venv/bin/pip install pillow==13.0.0 numpy==2.4.6
    .venv/bin/python scripts/make-decode-vectors.py > test/vectors/decode.json

Images are arithmetic and small; each entry has the file in base64 and the SHA-256 of its pixels.
"""
import base64
import hashlib
import io
import json
import struct
import zlib

import numpy
import PIL
from PIL import Image

HEIGHT, WIDTH = 11, 17
y, x, c = numpy.meshgrid(numpy.arange(HEIGHT), numpy.arange(WIDTH), numpy.arange(4), indexing="ij")
INKS = ((x * 13 + y * 7 * (c + 1) + 31 * c) % 256).astype(numpy.uint8)
RGB = Image.fromarray(INKS[..., :3])
CMYK = Image.fromarray(INKS // numpy.array([1, 1, 1, 3], dtype=numpy.uint8), "CMYK")


def digest(data):
    return hashlib.sha256(data).hexdigest()


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def adobe_at(data):
    """Where the APP14 segment of a JPEG begins."""
    return data.find(b"\xff\xee")


def without_adobe(data):
    at = adobe_at(data)
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2:at + 4], "big"):]


def as_ycck(data):
    """The transform flag of the Adobe segment: the same numbers are Y, Cb, Cr, K."""
    changed = bytearray(data)
    changed[adobe_at(data) + 15] = 2
    return bytes(changed)


def png16(colour_type, channels):
    """16 bits per channel, which Pillow cannot write in colour."""
    numbers = ((x * 3001 + y * 977 + c * 12007) % 65536)[..., :channels].astype(">u2")
    rows = b"".join(b"\0" + numbers[row].tobytes() for row in range(HEIGHT))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


turned = RGB.getexif()
turned[0x112] = 6
cmyk = saved(CMYK, "JPEG", quality=90)
FILES = {
    "CMYK JPEG": ("jpg", cmyk),
    "CMYK JPEG without Adobe's marker": ("jpg", without_adobe(cmyk)),
    "YCCK JPEG": ("jpg", as_ycck(cmyk)),
    "CMYK TIFF": ("tif", saved(CMYK, "TIFF")),
    "PNG of 16-bit colour": ("png", png16(2, 3)),
    "PNG of 16-bit colour with alpha": ("png", png16(6, 4)),
    "PNG of 16-bit grey with alpha": ("png", png16(4, 2)),
    "PNG with a palette": ("png", saved(RGB.convert("P"), "PNG")),
    "GIF": ("gif", saved(RGB, "GIF")),
    "GIF of two frames": ("gif", saved(RGB, "GIF", save_all=True, append_images=[RGB.rotate(180)])),
    "GIF with a transparent colour": ("gif", saved(RGB.convert("P"), "GIF", transparency=3)),
    "TIFF": ("tif", saved(RGB, "TIFF")),
    "TIFF with LZW": ("tif", saved(RGB, "TIFF", compression="tiff_lzw")),
    "TIFF with JPEG inside": ("tif", saved(RGB, "TIFF", compression="jpeg")),
    "TIFF of two levels, fax": ("tif", saved(RGB.convert("1"), "TIFF", compression="group4")),
    "TIFF of two pages": ("tif", saved(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)])),
    "TIFF that is turned": ("tif", saved(RGB, "TIFF", exif=turned)),
    "JPEG with an EXIF orientation": ("jpg", saved(RGB, "JPEG", quality=95, exif=turned)),
    "PNG with an EXIF orientation": ("png", saved(RGB, "PNG", exif=turned)),
    "WebP with an EXIF orientation": ("webp", saved(RGB, "WEBP", lossless=True, exif=turned)),
}
entries = []
for name, (kind, data) in FILES.items():
    pixels = Image.open(io.BytesIO(data)).convert("RGB")
    entries.append({
        "name": name, "kind": kind, "bytes": base64.b64encode(data).decode(), "size": [pixels.height, pixels.width],
        "rgb": digest(pixels.tobytes()),
    })
# no more than 1 level off: another library decodes it, and nothing is subsampled
avif = saved(RGB.resize((34, 22)), "AVIF", quality=90, subsampling="4:4:4")
# Pillow maps everything above 255 to white; the upper 8 bits are wanted
grey = ((x * 3001 + y * 977 + c * 12007) % 65536)[..., :1] >> 8
floats = saved(Image.fromarray(numpy.float32([[0, 0.5, 1]])), "TIFF")
print(json.dumps({
    "note": f"made by scripts/make-decode-vectors.py with Pillow {PIL.__version__}, numpy {numpy.__version__}",
    "exact": entries,
    "grey16": {"bytes": base64.b64encode(png16(0, 1)).decode(), "rgb": digest(numpy.repeat(grey, 3, axis=2).astype(numpy.uint8).tobytes())},
    "float": base64.b64encode(floats).decode(),
    "avif": {"bytes": base64.b64encode(avif).decode(), "rgb": base64.b64encode(Image.open(io.BytesIO(avif)).convert("RGB").tobytes()).decode()},
}, indent=1))
