"""Writes ../fixtures/clip_tiny.safetensors (open_clip's names), ../fixtures/clip_tiny_hf.safetensors (Hugging Face's, the
same weights) and ../fixtures/clip_tiny_io.safetensors.

    python zoo/clip/reference/fixture.py

The real modules at a tiny size with every parameter randomised; see model.py for the versions.
"""

from pathlib import Path

import torch
from model import build, check_semantics, config, hugging_face, image_outputs, text_outputs
from open_clip.model import resize_pos_embed
from randomise import generator, randomise
from safetensors.torch import save_file

SEED = 1
SIDE, PATCH, WIDTH, LAYERS, HEAD_WIDTH, DIM = 32, 8, 24, 2, 8, 16
TEXT = {"context_length": 20, "vocab_size": 64, "width": 16, "heads": 2, "layers": 2}
CONFIG = config(SIDE, PATCH, WIDTH, LAYERS, HEAD_WIDTH, DIM, TEXT)
START, END = 62, 63
OTHER = (56, 24)
VIDEOS, FRAMES = 2, 2
WORDS = (0, 1, 5, 11, 18)  # the empty text up to one that fills the context


def main():
    model = build(CONFIG)
    randomise(model, SEED)
    theirs = hugging_face(model, CONFIG)

    images = torch.randn(VIDEOS * FRAMES, 3, SIDE, SIDE, generator=generator(SEED, "images"))
    tokens = torch.zeros(len(WORDS), TEXT["context_length"], dtype=torch.int64)
    words = torch.randint(1, START, tokens.shape, generator=generator(SEED, "tokens"))
    for row, count in enumerate(WORDS):
        tokens[row, : count + 2] = torch.tensor([START, *words[row, :count].tolist(), END])
    check_semantics(model, theirs, images, tokens)

    io = {"images": images, "tokens": tokens, "logit_scale": model.logit_scale.detach().clone()}
    io |= image_outputs(model, images) | text_outputs(model, tokens)
    # open_clip resizes the positions when it loads weights for images of another size: one side more, one side fewer.
    other = build(config(OTHER, PATCH, WIDTH, LAYERS, HEAD_WIDTH, DIM, TEXT))
    weights = dict(model.state_dict())
    resize_pos_embed(weights, other)
    other.load_state_dict(weights)
    io["other_images"] = torch.randn(VIDEOS, 3, *OTHER, generator=generator(SEED, "other_images"))
    io["other_image_features"] = image_outputs(other, io["other_images"])["image_features"]
    for name, tensor in io.items():
        print(f"{name:16} {str(list(tensor.shape)):18} rms {tensor.double().square().mean().sqrt():.3f}")

    folder = Path(__file__).parent.parent / "fixtures"
    folder.mkdir(exist_ok=True)
    for name, module in [("clip_tiny", model), ("clip_tiny_hf", theirs)]:
        weights = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(weights, folder / f"{name}.safetensors")
        print(f"{name}: {len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")
    save_file(io, folder / "clip_tiny_io.safetensors")


if __name__ == "__main__":
    main()
