"""Writes ../fixtures: torchvision's module at a tiny size with every parameter randomised, an input and its tokens.

    python zoo/mvit-kinetics/reference/fixture.py

- `tiny.pth`: a state dict, as torchvision's is released, with a classifier of 5
- `tiny_io.safetensors`: `clip` [2, 3, 8, 64, 40], in half precision; `class` [2, 32], `patches` [2, 4, 2, 2, 32]
"""

from pathlib import Path

import torch
from model import TINY, outputs, pyramid
from randomise import generator, randomise
from safetensors.torch import save_file

SEED, BATCH = 3, 2
FOLDER = Path(__file__).parent.parent / "fixtures"


def build():
    model = pyramid(**TINY)
    randomise(model, SEED)
    return model


def main():
    model = build()
    FOLDER.mkdir(exist_ok=True)
    torch.save({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, FOLDER / "tiny.pth")
    clip = torch.randn(BATCH, 3, *TINY["clip"], generator=generator(SEED, "clip")).half()
    save_file({"clip": clip} | outputs(model, clip.float()), FOLDER / "tiny_io.safetensors")
    print(f"{len(model.state_dict())} tensors, {sum(file.stat().st_size for file in FOLDER.iterdir())} bytes")


if __name__ == "__main__":
    main()
