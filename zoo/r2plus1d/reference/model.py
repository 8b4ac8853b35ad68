"""torchvision's R(2+1)D, at any size, and what it gives.

Written against torch 2.15.0 and torchvision 0.29.2; `check_semantics` makes sure of what other versions could change.
The names of the state dict are those of the released checkpoints.
"""

import torch
from torch import nn
from torchvision.models.video import r2plus1d_18
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D

# Channels between the two convolutions of the stem, blocks and channels of each layer.
FULL = {"stem": 45, "depths": (2, 2, 2, 2), "widths": (64, 128, 256, 512)}


def r2plus1d(stem, depths, widths, outputs=1):
    """torchvision's network with every block and layer its own, but of these sizes."""
    model = r2plus1d_18(weights=None)
    model.stem = nn.Sequential(
        nn.Conv3d(3, stem, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
        nn.BatchNorm3d(stem),
        nn.ReLU(inplace=True),
        nn.Conv3d(stem, widths[0], (3, 1, 1), (1, 1, 1), (1, 0, 0), bias=False),
        nn.BatchNorm3d(widths[0]),
        nn.ReLU(inplace=True),
    )
    model.inplanes = widths[0]
    for index, (depth, width) in enumerate(zip(depths, widths)):
        layer = model._make_layer(BasicBlock, Conv2Plus1D, width, depth, stride=1 if index == 0 else 2)
        setattr(model, f"layer{index + 1}", layer)
    model.fc = nn.Linear(widths[-1], outputs)
    return model.eval()


@torch.no_grad()
def outputs(model, clip) -> dict:
    """[batch, 3, frames, height, width] -> the last feature map, its mean over places, its mean, what the head gives"""
    x = model.stem(clip)
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
    embedding = model.avgpool(x).flatten(1)
    return {
        "tokens": x.permute(0, 2, 3, 4, 1).contiguous(),
        "steps": x.mean(dim=(3, 4)).transpose(1, 2).contiguous(),
        "embedding": embedding,
        "reported": model.fc(embedding),
    }


def checkpoint(model) -> dict:
    """The state dict as released: trained on several devices."""
    return {f"module.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def check_semantics(model, clip) -> None:
    """Fails if these versions compute something other than R(2+1)D-18, or our way through it is not the module's."""
    torch.testing.assert_close(outputs(model, clip)["reported"], model(clip), rtol=1e-5, atol=1e-5)
    ours, theirs = r2plus1d(**FULL, outputs=400).state_dict(), r2plus1d_18(weights=None).state_dict()
    assert {name: x.shape for name, x in ours.items()} == {name: x.shape for name, x in theirs.items()}
    for layer in model.modules():
        assert not isinstance(layer, nn.BatchNorm3d) or (layer.eps == 1e-5 and not layer.training)
        assert not isinstance(layer, nn.Conv3d) or layer.bias is None
    block = model.layer2[0]
    strides = [block.conv1[0][0].stride, block.conv1[0][3].stride, block.downsample[0].stride]
    assert strides == [(1, 2, 2), (2, 1, 1), (2, 2, 2)], strides
    assert block.conv1[0][0].out_channels == block.conv2[0][0].out_channels
