"""Writes ../fixtures/r2plus1d_tiny.safetensors (all weights) and ../fixtures/r2plus1d_tiny_io.safetensors.

    python zoo/r2plus1d/reference/fixture.py

The real module at a tiny size with every parameter and statistic randomised; see model.py for the versions.
"""

from pathlib import Path

import torch
from model import check_semantics, checkpoint, outputs, r2plus1d
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 1
# Two blocks in two layers: a wrong order of blocks shows, and a block without `downsample` is there. The last feature map
# is 2 x 3 x 4: no two of its axes can be taken for each other.
TINY = {"stem": 5, "depths": (2, 2, 1, 1), "widths": (4, 6, 8, 10)}
BATCH, FRAMES, HEIGHT, WIDTH = 2, 11, 40, 52
SHORT = 5  # frames of the second, shorter clip: the start of the first


def main():
    model = r2plus1d(**TINY)
    randomise(model, SEED)
    # Half precision holds these values exactly and keeps the file small.
    clip = torch.randn(BATCH, 3, FRAMES, HEIGHT, WIDTH, generator=generator(SEED, "clip")).half()
    check_semantics(model, clip.float())

    io = {"clip": clip} | outputs(model, clip.float())
    io |= {f"short_{name}": tensor for name, tensor in outputs(model, clip[:, :, :SHORT].float()).items()}
    for name, tensor in io.items():
        print(f"{name:16} {str(list(tensor.shape)):22} rms {tensor.double().square().mean().sqrt():.3f}")

    folder = Path(__file__).parent.parent / "fixtures"
    folder.mkdir(exist_ok=True)
    weights = checkpoint(model)
    save_file(weights, folder / "r2plus1d_tiny.safetensors")
    save_file(io, folder / "r2plus1d_tiny_io.safetensors")
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")


if __name__ == "__main__":
    main()
