"""Writes a full-size folder of checkpoints with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/echoviewclip/reference/full.py FOLDER

- `ckpt_epoch_29.pth`, `open_clip_model.safetensors`, `train_qc/ckpt_epoch_29.pth`: as upstream's training leaves them
- `clip.safetensors`: `clip` [1, 3, 16, 224, 224], what `echozoo embed --tensor` takes
- `outputs.safetensors`: what the module gives for it and the sentences of all views, of the method and of what is released
"""

import argparse
import re
from pathlib import Path

import open_clip
import torch
from model import DENIED, FULL, SHOWN, EchoViewCLIP, check_semantics, outputs, save
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 2
ROOT = Path(__file__).resolve().parent.parent


def views():
    return re.findall(r'^    "(.*)",$', (ROOT / "src/views.rs").read_text(), re.M)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    model = EchoViewCLIP(FULL).eval()
    randomise(model, SEED)
    tokenize = open_clip.tokenizer.SimpleTokenizer()
    shown, denied = (tokenize([f"{beginning} {view}." for view in views()]) for beginning in (SHOWN, DENIED))
    clip = torch.randn(1, 3, FULL["frames"], 224, 224, generator=generator(SEED, "clip"))
    check_semantics(model, clip[:, :, :2], shown[:2])
    found = outputs(model, clip, shown, denied)
    for name, tensor in found.items():
        print(f"{name:24} {str(list(tensor.shape)):20} rms {tensor.double().square().mean().sqrt():.3f}")
    save(model, folder, shown, denied)
    save_file({"clip": clip}, folder / "clip.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / "outputs.safetensors")


if __name__ == "__main__":
    main()
