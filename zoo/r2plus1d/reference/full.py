"""Writes full-size checkpoints with every parameter and statistic randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/r2plus1d/reference/full.py FOLDER

- `r2plus1d_18_32_2_pretrained.pt`: as EchoNet-Dynamic's is released, a dictionary with the state dict beside what training
  remembers
- `r2plus1d_18-91a641e6.pth`: as torchvision's is released, a state dict with a classifier of 400
- `clip_{16,32}.safetensors`: `clip` [2, 3, frames, 112, 112], what `echozoo embed --tensor` takes
- `{full,kinetics}_{16,32}.safetensors`: `tokens` [2, frames / 8, 7, 7, 512], `steps` [2, frames / 8, 512], `embedding`
  [2, 512], `reported` [2, 1 or 400]
"""

import argparse
import time
from pathlib import Path

import torch
from model import FULL, check_semantics, checkpoint, outputs, r2plus1d
from randomise import generator, randomise
from safetensors.torch import save_file

BATCH, LENGTHS, SIZE = 2, (16, 32), 112


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    clips = {}
    for frames in LENGTHS:
        clips[frames] = torch.randn(BATCH, 3, frames, SIZE, SIZE, generator=generator(1, f"clip_{frames}"))
        save_file({"clip": clips[frames]}, folder / f"clip_{frames}.safetensors")
    for seed, (preset, classes) in enumerate([("full", 1), ("kinetics", 400)], start=1):
        model = r2plus1d(**FULL, outputs=classes)
        randomise(model, seed)
        weights = checkpoint(model)
        print(f"{preset}: {len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")
        if preset == "full":
            check_semantics(model, clips[LENGTHS[0]])
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 15)
            beside = {"epoch": 7, "period": 2, "frames": 32, "best_loss": 30.5, "loss": 31.5, "r2": 0.5}
            beside |= {"opt_dict": optimizer.state_dict(), "scheduler_dict": scheduler.state_dict()}
            torch.save(beside | {"state_dict": weights}, folder / "r2plus1d_18_32_2_pretrained.pt")
        else:
            torch.save(model.state_dict(), folder / "r2plus1d_18-91a641e6.pth")
        for frames, clip in clips.items():
            start = time.perf_counter()
            video = outputs(model, clip)
            seconds = time.perf_counter() - start
            save_file(video, folder / f"{preset}_{frames}.safetensors")
            rms = ", ".join(f"{name} rms {tensor.square().mean().sqrt():.4f}" for name, tensor in video.items())
            print(f"{preset}, {frames} frames: {seconds / BATCH:.2f} s a clip, {rms}")


if __name__ == "__main__":
    main()
