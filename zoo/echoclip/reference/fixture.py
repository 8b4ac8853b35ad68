"""Writes ../fixtures/echoclip_tiny.safetensors (all weights) and ../fixtures/echoclip_tiny_io.safetensors.

    python zoo/echoclip/reference/fixture.py

The real modules at a tiny size with every parameter randomised; see model.py for the versions.
"""

from pathlib import Path

import torch
from model import build, check_semantics, config, convnext_of, image_outputs, text_outputs
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 1
DEPTHS, DIMS, DIM = (2, 2, 2, 2), (4, 8, 12, 16), 16
TEXT = {"context_length": 20, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2}
START, END = 62, 63
VIDEOS, FRAMES = 2, 2
# The last feature map is 1 x 2 (stride 32): an average over more than one position, and height is not width.
HEIGHT, WIDTH = 32, 64
WORDS = (0, 1, 5, 11, 18)  # the empty text up to one that fills the context


def main():
    model = build(config(convnext_of(DEPTHS, DIMS), DIM, TEXT))
    randomise(model, SEED)

    images = torch.randn(VIDEOS * FRAMES, 3, HEIGHT, WIDTH, generator=generator(SEED, "images"))
    tokens = torch.zeros(len(WORDS), TEXT["context_length"], dtype=torch.int64)
    words = torch.randint(1, START, tokens.shape, generator=generator(SEED, "tokens"))
    for row, count in enumerate(WORDS):
        tokens[row, : count + 2] = torch.tensor([START, *words[row, :count].tolist(), END])
    check_semantics(model, images, tokens)

    io = {"images": images, "tokens": tokens, "logit_scale": model.logit_scale.detach().clone()}
    io |= image_outputs(model, images) | text_outputs(model, tokens)
    for name, tensor in io.items():
        print(f"{name:16} {str(list(tensor.shape)):18} rms {tensor.double().square().mean().sqrt():.3f}")

    folder = Path(__file__).parent.parent / "fixtures"
    folder.mkdir(exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "echoclip_tiny.safetensors")
    save_file(io, folder / "echoclip_tiny_io.safetensors")
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")


if __name__ == "__main__":
    main()
