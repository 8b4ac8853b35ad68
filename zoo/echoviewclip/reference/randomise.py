"""Random values for every parameter of an open_clip model, so that a parity check sees all of them.

Usual initial values hide errors: LayerNorm weights of 1 and biases of 0 make a swapped or forgotten parameter invisible.
The spread of each matrix is 1 / sqrt(fan in), so that activations stay of order one through all blocks. Each tensor has
its own generator, seeded by the tensor's name: adding a parameter does not change the others.
"""

import hashlib

import torch
from torch import nn


def generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def _uniform(tensor, g, low, high):
    tensor.copy_(torch.rand(tensor.shape, generator=g) * (high - low) + low)


def _normal(tensor, g, spread):
    tensor.copy_(torch.randn(tensor.shape, generator=g) * spread)


# Parameters that sit on a module directly rather than in a layer, by the last part of their name.
_LOOSE = {
    "ctx": lambda tensor, g: _normal(tensor, g, 1.0),
    "class_embedding": lambda tensor, g: _normal(tensor, g, 1.0),
    "positional_embedding": lambda tensor, g: _normal(tensor, g, 0.5),
    "proj": lambda tensor, g: _normal(tensor, g, tensor.shape[0] ** -0.5),
    "text_projection": lambda tensor, g: _normal(tensor, g, tensor.shape[0] ** -0.5),
    "logit_scale": lambda tensor, g: _uniform(tensor, g, 2.0, 4.0),
    "in_proj_weight": lambda tensor, g: _normal(tensor, g, tensor.shape[1] ** -0.5),
    "in_proj_bias": lambda tensor, g: _normal(tensor, g, 0.2),
}


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Overwrites every tensor of `model.state_dict()`; raises if one has no rule or came out constant."""
    for name, tensor in model.state_dict().items():
        path, _, leaf = name.rpartition(".")
        layer = model.get_submodule(path)
        g = generator(seed, name)
        if leaf in _LOOSE:
            _LOOSE[leaf](tensor, g)
        elif isinstance(layer, nn.LayerNorm) and leaf == "weight":
            _uniform(tensor, g, 0.7, 1.3)
        elif isinstance(layer, nn.Embedding):
            _normal(tensor, g, 1.0)
        elif isinstance(layer, (nn.Linear, nn.Conv2d)) and leaf == "weight":
            _normal(tensor, g, tensor[0].numel() ** -0.5)
        elif isinstance(layer, (nn.LayerNorm, nn.Linear)) and leaf == "bias":
            _normal(tensor, g, 0.2)
        else:
            raise ValueError(f"no rule for {name}, a tensor of {type(layer).__name__}")
        if tensor.numel() > 1 and (tensor == tensor.flatten()[0]).all():
            raise ValueError(f"{name} is constant")
