"""Writes ../fixtures/stage2 (a folder of checkpoints as a user has it), ../fixtures/stage1.pth and ../fixtures/outputs.safetensors.

    python zoo/echoviewclip/reference/fixture.py

The architecture at a tiny size with every parameter randomised; see model.py for the versions.
"""

from pathlib import Path

import torch
from model import EchoViewCLIP, check_semantics, config, outputs, save
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 2
SIDE, PATCH, WIDTH, LAYERS, HEAD_WIDTH, DIM, HIDDEN, BLOCKS, FRAMES = 16, 8, 16, 3, 8, 12, 8, 1, 4
TEXT = {"context_length": 20, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2}
CONFIG = config(SIDE, PATCH, WIDTH, LAYERS, HEAD_WIDTH, DIM, HIDDEN, BLOCKS, FRAMES, TEXT)
START, END = 62, 63
VIDEOS = 2
# Ids of names that stand in for words, of what begins a sentence and one that denies, and of a full stop.
NAMES, SHOWN, DENIED, STOP = [[5, 9], [11], [20, 3, 7]], [40, 41, 42, 40], [40, 41, 44, 40], 45
CONTEXT = 3


def ids(beginning, name):
    row = [START, *beginning, *name, STOP, END]
    return torch.tensor(row + [0] * (TEXT["context_length"] - len(row)))


def build():
    model = EchoViewCLIP(CONFIG, CONTEXT).eval()
    randomise(model, SEED)
    return model


def main():
    folder = Path(__file__).parent.parent / "fixtures"
    shown, denied, rest = (torch.stack([ids(beginning, name) for name in NAMES]) for beginning in (SHOWN, DENIED, []))
    model = build()
    clip = torch.randn(VIDEOS, 3, FRAMES, SIDE, SIDE, generator=generator(SEED, "clip"))
    check_semantics(model, clip, shown)
    io = {"clip": clip, "context": model.prompt_learner_no.ctx} | outputs(model, clip, shown, denied, rest)
    for name, tensor in io.items():
        print(f"{name:24} {str(list(tensor.shape)):20} rms {tensor.double().square().mean().sqrt():.3f}")
    save_file({key: tensor.contiguous() for key, tensor in io.items()}, folder / "outputs.safetensors")
    save(model, folder / "stage2", shown, denied)
    save(model, folder / "stage1", shown)


if __name__ == "__main__":
    main()
