"""PanEcho's architecture from torchvision's and torch's own modules, at any size, and what it gives.

Written against torch 2.15.0 and torchvision 0.29.2; `check_semantics` makes sure of what other versions could change.
The names of the state dict are those of the released checkpoint.
"""

import re
from pathlib import Path

import torch
from torch import nn
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

FULL = {"depths": (3, 3, 9, 3), "dims": (96, 192, 384, 768), "heads": 8, "layers": 4}


def tasks() -> list[tuple[str, str, int]]:
    """Name, kind and number of outputs of every task, read from the table of the crate."""
    table = (Path(__file__).parent.parent / "src/tasks.rs").read_text().split("TASKS: [Head; 40] =")[1]
    table = re.split(r"\n *\];", table)[0]
    rows = re.findall(r'(regression|first_of|second_of|multi_class)\(\s*[A-Z_]+,\s*"([^"]+)",\s*(?:&?\[([^\]]*)\])?', table)
    found = [(name, kind, classes.count('"') // 2 if kind == "multi_class" else 1) for kind, name, classes in rows]
    assert len(found) == 40, f"{len(found)} tasks in the table"
    return found


class PanEcho(nn.Module):
    def __init__(self, depths, dims, heads, layers):
        super().__init__()
        width = dims[-1]
        blocks = [CNBlockConfig(a, b, n) for a, b, n in zip(dims, [*dims[1:], None], depths)]
        trunk = ConvNeXt(blocks)
        trunk.classifier[2] = nn.Identity()
        layer = nn.TransformerEncoderLayer(width, heads, dim_feedforward=width, dropout=0.0, batch_first=True)
        self.encoder = nn.ModuleDict(
            {
                "encoder": nn.ModuleDict({"model": trunk}),
                "transformer": nn.TransformerEncoder(layer, layers),
            }
        )
        self.tasks = tasks()
        for name, _, outputs in self.tasks:
            self.add_module(f"{name}_head", nn.Sequential(nn.Dropout(0.25), nn.Linear(width, outputs)))
        self.eval()

    def image_features(self, images):
        """[n, 3, height, width] -> [n, width]"""
        return self.encoder["encoder"]["model"](images)

    def steps(self, clip):
        """[batch, 3, frames, height, width] -> [batch, frames, width]"""
        batch, channels, frames, height, width = clip.shape
        images = clip.reshape(batch * frames, channels, height, width)  # as released: no permutation
        features = self.image_features(images).reshape(batch, frames, -1)
        return self.encoder["transformer"](features + positions(frames, features.shape[-1]))

    def report(self, embedding) -> dict:
        """[batch, width] -> what each head reports, [batch, outputs]"""
        reported = {}
        for name, kind, _ in self.tasks:
            x = self.get_submodule(f"{name}_head")(embedding)
            if kind == "multi_class":
                x = x.softmax(dim=1)
            elif kind != "regression":
                x = x.sigmoid()
            reported[name] = 1 - x if kind == "first_of" else x
        return reported


def positions(steps, width):
    """Interleaved sines and cosines, [steps, width]."""
    angles = torch.arange(steps).double()[:, None] * 10_000.0 ** (-torch.arange(0, width, 2).double() / width)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()


@torch.no_grad()
def outputs(model, clip) -> dict:
    steps = model.steps(clip)
    embedding = steps.mean(dim=1)
    reported = model.report(embedding)
    packed = torch.cat([reported[name] for name, _, _ in model.tasks], dim=1)
    return {"steps": steps.contiguous(), "embedding": embedding, "reported": packed}


def checkpoint(model) -> dict:
    """The state dict with a stored position table, which loaders must ignore: a wrong one, so that using it shows."""
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    width = model.encoder["transformer"].layers[0].linear1.in_features
    weights["encoder.time_encoder.pe"] = torch.full((1, 16, width), 9.0)
    return weights


@torch.no_grad()
def check_semantics(model, clip) -> None:
    """Fails if these versions of torch and torchvision compute something other than PanEcho."""
    trunk, layer = model.encoder["encoder"]["model"], model.encoder["transformer"].layers[0]
    for norm in (trunk.classifier[0], trunk.features[0][1], trunk.features[2][0], trunk.features[1][0].block[2]):
        assert isinstance(norm, nn.LayerNorm) and norm.eps == 1e-6
    assert not layer.norm_first and layer.norm1.eps == layer.norm2.eps == 1e-5
    assert layer.activation is nn.functional.relu and layer.self_attn.batch_first
    assert model.encoder["transformer"].norm is None
    by_hand = nn.functional.layer_norm(
        trunk.features(clip[:, :, 0]).mean(dim=(2, 3)),
        trunk.classifier[0].normalized_shape,
        trunk.classifier[0].weight,
        trunk.classifier[0].bias,
        1e-6,
    )
    torch.testing.assert_close(model.image_features(clip[:, :, 0]), by_hand, rtol=1e-4, atol=1e-5)
    x = torch.randn(2, 5, layer.linear1.in_features, generator=torch.Generator().manual_seed(0))
    y = layer.norm1(x + layer.self_attn(x, x, x, need_weights=False)[0])
    y = layer.norm2(y + layer.linear2(layer.linear1(y).relu()))
    torch.testing.assert_close(layer(x), y, rtol=1e-4, atol=1e-5)
    steps = model.steps(clip)
    permuted = model.steps(clip.transpose(1, 2).reshape(clip.shape))
    assert (steps - permuted).abs().max() > 1e-2, "reshaped and permuted clips must differ"
