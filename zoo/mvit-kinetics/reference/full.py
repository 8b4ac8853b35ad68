"""Writes a full-size checkpoint with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/mvit-kinetics/reference/full.py FOLDER

- `mvit_v2_s-ae3be167.pth`: torchvision's name and format, a classifier of 400 with the rest
- `clip_n.safetensors`: `clip` [1 or 2, 3, 16, 224, 224], what `echozoo embed --tensor` takes; `tokens_n.safetensors`: `class`
  [.., 768] and `patches` [.., 8, 7, 7, 768] after the last norm
"""

import argparse
import time
from pathlib import Path

import torch
from model import full, outputs
from randomise import generator, randomise
from safetensors.torch import save_file

SEED, CLIPS = 4, 3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    model = full()
    randomise(model, SEED)
    torch.save(model.state_dict(), folder / "mvit_v2_s-ae3be167.pth")
    print(f"{len(model.state_dict())} tensors, {sum(tensor.numel() for tensor in model.state_dict().values())} values")
    for number in range(CLIPS):
        clip = torch.randn(1 + number % 2, 3, 16, 224, 224, generator=generator(SEED, f"clip_{number}"))
        save_file({"clip": clip}, folder / f"clip_{number}.safetensors")
        start = time.perf_counter()
        tokens = outputs(model, clip)
        seconds = (time.perf_counter() - start) / len(clip)
        save_file(tokens, folder / f"tokens_{number}.safetensors")
        rms = ", ".join(f"{name} rms {tensor.square().mean().sqrt():.4f}" for name, tensor in tokens.items())
        print(f"clip {number}: {seconds:.2f} s a clip, {rms}")


if __name__ == "__main__":
    main()
