"""Random values for every parameter and statistic, so that a parity check sees all of them.

Usual initial values hide errors: norms of 1, biases and running means of 0 and running variances of 1 make a swapped or
forgotten tensor invisible. The spread of each kernel is 1 / sqrt(fan in), so that activations stay of order one. Each
tensor has its own generator, seeded by the tensor's name: adding a parameter does not change the others.
"""

import hashlib

import torch
from torch import nn


def generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Overwrites every tensor of `model.state_dict()`; raises if one has no rule or came out constant."""
    for name, tensor in model.state_dict().items():
        path, _, leaf = name.rpartition(".")
        layer = model.get_submodule(path)
        g = generator(seed, name)
        norm = isinstance(layer, nn.BatchNorm3d)
        if leaf == "num_batches_tracked":
            tensor.fill_(7)  # not used in inference
        elif norm and leaf in ("weight", "running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=g) * 0.6 + 0.7)
        elif leaf in ("bias", "running_mean"):
            tensor.copy_(torch.randn(tensor.shape, generator=g) * 0.2)
        elif isinstance(layer, (nn.Linear, nn.Conv3d)) and leaf == "weight":
            tensor.copy_(torch.randn(tensor.shape, generator=g) * tensor[0].numel() ** -0.5)
        else:
            raise ValueError(f"no rule for {name}, a tensor of {type(layer).__name__}")
        if tensor.numel() > 1 and (tensor == tensor.flatten()[0]).all():
            raise ValueError(f"{name} is constant")
