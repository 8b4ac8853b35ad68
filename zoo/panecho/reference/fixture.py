"""Writes ../fixtures/panecho_tiny.safetensors (all weights) and ../fixtures/panecho_tiny_io.safetensors.

    python zoo/panecho/reference/fixture.py

The real modules at a tiny size with every parameter randomised; see model.py for the versions.
"""

from pathlib import Path

import torch
from model import PanEcho, check_semantics, checkpoint, outputs
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 1
# Two blocks per stage: a wrong order of blocks shows. The last feature map is 1 x 2: an average over more than one
# position, and height is not width.
TINY = {"depths": (2, 2, 2, 2), "dims": (4, 8, 12, 16), "heads": 4, "layers": 2}
BATCH, FRAMES, HEIGHT, WIDTH = 2, 4, 32, 64
SHORT = 2  # frames of the second, shorter clip: the start of the first


def main():
    model = PanEcho(**TINY)
    randomise(model, SEED)
    # Half precision holds these values exactly and keeps the file small.
    clip = torch.randn(BATCH, 3, FRAMES, HEIGHT, WIDTH, generator=generator(SEED, "clip")).half()
    check_semantics(model, clip.float())

    io = {"clip": clip} | outputs(model, clip.float())
    short = outputs(model, clip[:, :, :SHORT].float())
    io |= {f"short_{name}": tensor for name, tensor in short.items()}
    with torch.no_grad():
        io["image_features"] = model.image_features(clip[:, :, 0].float())
    for name, tensor in io.items():
        print(f"{name:16} {str(list(tensor.shape)):18} rms {tensor.double().square().mean().sqrt():.3f}")

    folder = Path(__file__).parent.parent / "fixtures"
    folder.mkdir(exist_ok=True)
    weights = checkpoint(model)
    save_file(weights, folder / "panecho_tiny.safetensors")
    save_file(io, folder / "panecho_tiny_io.safetensors")
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")


if __name__ == "__main__":
    main()
