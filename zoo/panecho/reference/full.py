"""Writes a full-size checkpoint with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/panecho/reference/full.py FOLDER

- `panecho.pt`: as released, a dictionary with the state dict under `weights`
- `clip_{8,16,32}.safetensors`: `clip` [2, 3, frames, 224, 224], what `echozoo embed --tensor` takes
- `video_{8,16,32}.safetensors`: `steps` [2, frames, 768], `embedding` [2, 768], `reported` [2, 58]: what the heads
  report, in the order of the crate's table
- `image.safetensors`: `image_features` [2, 768] of the first frames of `clip_8`, as images
"""

import argparse
import time
from pathlib import Path

import torch
from model import FULL, PanEcho, check_semantics, checkpoint, outputs
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 1
BATCH, LENGTHS, SIZE = 2, (8, 16, 32), 224


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    model = PanEcho(**FULL)
    randomise(model, SEED)
    weights = checkpoint(model)
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")
    torch.save({"epoch": 7, "weights": weights}, folder / "panecho.pt")

    for frames in LENGTHS:
        clip = torch.randn(BATCH, 3, frames, SIZE, SIZE, generator=generator(SEED, f"clip_{frames}"))
        save_file({"clip": clip}, folder / f"clip_{frames}.safetensors")
        if frames == LENGTHS[0]:
            check_semantics(model, clip)
            with torch.no_grad():
                save_file({"image_features": model.image_features(clip[:, :, 0])}, folder / "image.safetensors")
        start = time.perf_counter()
        video = outputs(model, clip)
        seconds = time.perf_counter() - start
        save_file(video, folder / f"video_{frames}.safetensors")
        rms = ", ".join(f"{name} rms {tensor.square().mean().sqrt():.4f}" for name, tensor in video.items())
        print(f"{frames} frames: {seconds / BATCH:.2f} s a clip, {rms}")


if __name__ == "__main__":
    main()
