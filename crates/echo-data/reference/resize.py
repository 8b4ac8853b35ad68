"""Writes resize.json: formula-made images, cropped and resized by OpenCV and PIL.

    python resize.py > resize.json

`tests/filters.rs` makes the same images by the same formulas and compares every value: a case holds a hash (FNV-1a, 64
bits) of all output bytes, and some of them to see by how much it fails. Needs numpy, opencv-python-headless and pillow;
the numbers in the repository are of OpenCV 5.0 (4.10 gives the same) and Pillow 13.0 on x86-64.
"""

import json

import cv2
import numpy as np
from PIL import Image

# The wheels' IPP does some cubic resizing with unrounded weights; OpenCV's own code is the reference.
cv2.ipp.setUseIPP(False)

SAMPLES = 24
FILTERS = {
    "open_cv_cubic": lambda image, side: cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC),
    "open_cv_linear": lambda image, side: cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR),
    "open_cv_area": lambda image, side: cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA),
    "pil_bicubic": lambda image, side: np.asarray(Image.fromarray(image).resize((side, side), Image.BICUBIC)),
}
# height, width, crop to a square, zoom, side of the output
CASES = [
    (112, 112, True, 0.1, 224),
    (224, 224, True, 0.1, 224),
    (600, 800, True, 0.1, 224),
    (605, 600, True, 0.0, 224),
    (112, 112, False, 0.0, 64),
    (112, 112, True, 0.1, 64),
    (256, 256, False, 0.0, 224),
    (112, 112, False, 0.0, 256),
    (600, 800, False, 0.0, 256),
    (224, 224, False, 0.0, 112),
    (336, 336, False, 0.0, 112),
    (112, 224, False, 0.0, 112),
    # halves in the remainder of a row, which OpenCV rounds otherwise than the rest
    (122, 122, False, 0.0, 61),
    # the reciprocal of side / 72 is not 72 / side in f64
    (72, 72, False, 0.0, 224),
    (68, 68, False, 0.0, 112),
    (113, 97, False, 0.0, 64),
    (97, 113, False, 0.0, 101),
    (60, 131, False, 0.0, 77),
    (5, 3, False, 0.0, 17),
    (1, 1, False, 0.0, 9),
    (31, 29, False, 0.0, 1),
]


def images(height, width):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    x, y, c = (axis.astype(np.uint64) for axis in (x, y, c))
    mixed = (x * 73856093 ^ y * 19349663 ^ (c + 1) * 83492791) * 2654435761 % 2**32
    slope = (7 * x + 5 * y * (c + 1)) % 510
    yield "noise", ((mixed ^ mixed >> 15) * 2246822519 % 2**32 >> 24).astype(np.uint8)
    yield "smooth", np.minimum(slope, 510 - slope).clip(0, 255).astype(np.uint8)
    yield "edges", ((x // 3 + y // 5 + c) % 2 * 255).astype(np.uint8)


def crop(image, to_square, zoom):
    height, width = image.shape[:2]
    if to_square:
        rows, columns = (max(round((side - min(height, width)) / 2), 0) for side in (height, width))
        image = image[rows : height - rows, columns : width - columns]
    height, width = image.shape[:2]
    rows, columns = int(zoom * height), int(zoom * width)
    return np.ascontiguousarray(image[rows : height - rows, columns : width - columns])


def fnv1a(values):
    result = 0xCBF29CE484222325
    for value in values:
        result = (result ^ value) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return result


lines = []
for height, width, to_square, zoom, side in CASES:
    for name, image in images(height, width):
        for key, resize in FILTERS.items():
            out = resize(crop(image, to_square, zoom), side).tobytes()
            case = {
                "filter": key,
                "image": name,
                "frame": [height, width],
                "crop": {"to_aspect": to_square, "zoom": zoom},
                "side": side,
                "hash": f"{fnv1a(out):016x}",
                "samples": list(out[:: len(out) // SAMPLES + 1]),
            }
            lines.append(json.dumps(case))
print("[" + ",\n ".join(lines) + "]")
