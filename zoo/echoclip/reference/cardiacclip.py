"""Writes ../fixtures/cardiacclip_tiny.safetensors (weights) and ../fixtures/cardiacclip_io.safetensors.

    python zoo/echoclip/reference/cardiacclip.py

The arithmetic of github.com/xmed-lab/CardiacCLIP at commit 9dac8cb, in our own words: MFL on EchoZoom on EchoCLIP's
towers, here at a tiny size with every parameter randomised. Each quirk of the code is a switch; the second file holds
the parameters of the adapter, and predictions as the paper describes them, with each quirk alone and with all of them.
Weights are in half precision, which is what is computed with. Versions as in model.py. Steps follow the code's own
order, also where another gives the same: it averages places of feature maps last, for instance.
"""

import sys
from pathlib import Path

import torch
from fixture import DIMS
from model import build, config, convnext_of
from randomise import generator, randomise
from safetensors.torch import save_file
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[3] / "crates/echo-nn/reference"))
from tokenizer import ids, nano  # noqa: E402

SEED = 3
WIDTH, DIM = DIMS[-1], 16  # a square number of channels
TEXT = {"context_length": 24, "vocab_size": 4096, "width": 8, "heads": 2, "layers": 2}
VIDEOS, FRAMES, SIZE = 2, 4, 64  # feature maps of 2 x 2
RANKS = {"poor": 15, "reduced": 37, "fair": 50, "good": 62, "high": 85}
# open_clip's, in the order that EchoCLIP puts on blue, green, red.
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

QUIRKS = ("channel-grid", "frame-norm", "any-length", "raw-pixels", "rgb", "mixed-planes", "unmasked-text")


def pixels() -> torch.Tensor:
    """[videos, 3, frames, size, size], blue, green, red: noise from a generator that is easily written again, brighter
    from video to video, frame to frame and colour to colour."""
    state, values = SEED, []
    for video in range(VIDEOS):
        for channel in range(3):
            for frame in range(FRAMES):
                level = 1 + 2 * channel + 3 * video + frame
                for _ in range(SIZE * SIZE):
                    state = (1664525 * state + 1013904223) % 2**32
                    values.append((state >> 24) * level // 11)
    return torch.tensor(values, dtype=torch.float64).reshape(VIDEOS, 3, FRAMES, SIZE, SIZE)


def images(clip: torch.Tensor, quirks: set) -> torch.Tensor:
    """Pixels to what the trunk sees, [videos * frames, 3, size, size]."""
    videos, channels, frames, height, width = clip.shape
    if "rgb" in quirks:
        clip = clip.flip(1)
    if "raw-pixels" not in quirks:
        mean, std = (torch.tensor(values, dtype=clip.dtype).reshape(3, 1, 1, 1) for values in (MEAN, STD))
        clip = (clip / 255 - mean) / std
    if "mixed-planes" not in quirks:
        clip = clip.transpose(1, 2)
    return clip.reshape(videos * frames, channels, height, width)


def cut(x: torch.Tensor) -> torch.Tensor:
    """Quarters of `x` [n, c, 2h, 2w], the upper left ones of all first: [4n, c, h, w]."""
    rows = torch.cat(x.chunk(2, dim=2), dim=0)
    upper, lower = rows.chunk(2, dim=0)
    return torch.cat([part for half in (upper, lower) for part in half.chunk(2, dim=3)], dim=0)


def join(quarters: torch.Tensor) -> torch.Tensor:
    """Undoes `cut`."""
    a, b, c, d = quarters.chunk(4, dim=0)
    return torch.cat([torch.cat([a, b], dim=3), torch.cat([c, d], dim=3)], dim=2)


def both_scales(trunk, x: torch.Tensor, quirks: set) -> torch.Tensor:
    """[n, 3, size, size] -> pooled vectors of the usual and the enlarged scale, [n, 2, width]."""
    maps = trunk(x)  # [n, width, h, w]
    large = cut(F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False))
    of_parts = trunk(large)
    count, width, height, columns = maps.shape
    if "channel-grid" not in quirks:
        joined = F.interpolate(join(of_parts), size=(height, columns), mode="area")
        return torch.stack([maps.mean(dim=(2, 3)), joined.mean(dim=(2, 3))], dim=1)
    # The maps arrive as [n, channels, places] where [n, places, channels] is meant: channels make the grid.
    side = int(width**0.5)
    assert side * side == width
    as_grid = lambda maps: maps.flatten(2).transpose(1, 2).reshape(-1, height * columns, side, side)
    joined = F.interpolate(join(as_grid(of_parts)), size=(side, side), mode="area")
    tokens = torch.cat([as_grid(maps), joined], dim=1).flatten(2).transpose(1, 2)  # [n, width, 2 * places]
    interleaved = tokens.reshape(count, 2 * width, height, columns).mean(dim=(2, 3))
    # Even channels are of the usual scale, odd ones of the other.
    return torch.stack([interleaved[:, 0::2], interleaved[:, 1::2]], dim=1)


def frame_vectors(model, parts: dict, clip: torch.Tensor, quirks: set) -> torch.Tensor:
    """[videos, 3, frames, size, size] -> [videos, frames, dim]"""
    videos, _, frames, _, _ = clip.shape
    scales = both_scales(model.visual.trunk.forward_features, images(clip, quirks), quirks)
    if "frame-norm" in quirks:
        scales = (scales - scales.mean(dim=0)) / (scales.std(dim=0, unbiased=True) + 1e-6)
    else:
        norm = model.visual.trunk.head.norm
        scales = F.layer_norm(scales, (WIDTH,), norm.weight, norm.bias, norm.eps)
    vectors = scales[:, 0] @ parts["zoom.base"] + scales[:, 1] @ parts["zoom.zoom"]
    if "any-length" not in quirks:
        vectors = F.normalize(vectors, dim=-1)
    return vectors.reshape(videos, frames, DIM)


def attend(parts: dict, vectors: torch.Tensor) -> torch.Tensor:
    """[videos, frames, dim] -> [videos, dim]"""
    layer = lambda name, x: x @ parts[f"pool.{name}.weight"] + parts[f"pool.{name}.bias"]
    scores = layer("score", layer("second", layer("first", vectors).tanh()).tanh())
    return layer("aggregate", (scores.softmax(dim=1) * vectors).sum(dim=1))


def prompts(model, tokens: torch.Tensor, quirks: set) -> torch.Tensor:
    """[ranks, context] -> [ranks, dim]"""
    x = model.token_embedding(tokens) + model.positional_embedding
    x = model.transformer(x, attn_mask=None if "unmasked-text" in quirks else model.attn_mask)
    ends = x[torch.arange(len(x)), tokens.argmax(dim=-1)]
    return model.ln_final(ends) @ model.text_projection


@torch.no_grad()
def predict(model, parts: dict, clip: torch.Tensor, tokens: torch.Tensor, quirks: set) -> tuple:
    """Values [videos] and logits [videos, ranks]."""
    video = F.normalize(attend(parts, frame_vectors(model, parts, clip, quirks)), dim=-1)
    text = F.normalize(prompts(model, tokens, quirks), dim=-1)
    logits = model.logit_scale.exp() * video @ text.t()
    values = torch.tensor(list(RANKS.values()), dtype=logits.dtype)
    return (logits.softmax(dim=-1) * values).sum(dim=-1), logits


def layer_sizes() -> dict:
    hidden = 64
    layers = {"first": (DIM, hidden), "second": (hidden, hidden), "score": (hidden, 1), "aggregate": (DIM, DIM)}
    sizes = {"zoom.base": (WIDTH, DIM), "zoom.zoom": (WIDTH, DIM)}
    for name, (inputs, outputs) in layers.items():
        sizes |= {f"pool.{name}.weight": (inputs, outputs), f"pool.{name}.bias": (outputs,)}
    return sizes


def main():
    model = build(config(convnext_of((1, 1, 1, 1), DIMS), DIM, TEXT))
    randomise(model, SEED)
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights)
    parts = {
        name: (torch.randn(size, generator=generator(SEED, name)) * size[0] ** -0.5).half()
        for name, size in layer_sizes().items()
    }
    tokenizer = nano()
    tokens = torch.zeros(len(RANKS), TEXT["context_length"], dtype=torch.int64)
    for row, word in zip(tokens, RANKS):
        text = torch.tensor(ids(tokenizer, f"{word} function."))
        row[: len(text)] = text

    model, double = model.double(), {name: tensor.double() for name, tensor in parts.items()}
    cases = {"method": set(), "cardiacclip": set(QUIRKS)} | {quirk: {quirk} for quirk in QUIRKS}
    io = {}
    for name, quirks in cases.items():
        values, logits = predict(model, double, pixels(), tokens, quirks)
        io |= {f"{name}/values": values.float(), f"{name}/logits": logits.float()}
        print(f"{name:16}", [f"{value:.3f}" for value in values.tolist()])
    folder = Path(__file__).parent.parent / "fixtures"
    save_file(weights, folder / "cardiacclip_tiny.safetensors")
    save_file(parts | {name: tensor.contiguous() for name, tensor in io.items()}, folder / "cardiacclip_io.safetensors")


if __name__ == "__main__":
    main()
