"""torchvision's MViTv2-S, at any size, and what it gives. Written with torch 2.15.0 and torchvision 0.29.2."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.video.mvit import MSBlockConfig, MViT, MViT_V2_S_Weights, mvit_v2_s

TINY = {"clip": (8, 64, 40), "depths": (2, 2, 2, 2), "widths": (8, 16, 24, 32), "heads": (1, 2, 2, 4), "stride_kv": 4}


def full():
    model = mvit_v2_s().eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == MViT_V2_S_Weights.KINETICS400_V1.meta["num_params"]
    assert len(MViT_V2_S_Weights.KINETICS400_V1.meta["categories"]) == model.head[1].out_features == 400
    return model


def pyramid(clip, depths, widths, heads, stride_kv, classes=5):
    """Four stages with the rules of `mvit_v2_s`."""
    blocks, channels = [], widths[0]
    for stage, depth in enumerate(depths):
        for block in range(depth):
            stride_q, stride = 2 if stage and not block else 1, max(stride_kv >> stage, 1)
            blocks.append(
                MSBlockConfig(
                    num_heads=heads[stage], input_channels=channels, output_channels=widths[stage],
                    kernel_q=[3, 3, 3], kernel_kv=[3, 3, 3],
                    stride_q=[1, stride_q, stride_q], stride_kv=[1, stride, stride],
                )
            )
            channels = widths[stage]
    frames, *size = clip
    return MViT(
        spatial_size=tuple(size), temporal_size=frames, block_setting=blocks, residual_pool=True,
        residual_with_cls_embed=False, rel_pos_embed=True, proj_after_attn=True, num_classes=classes,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    ).eval()


@torch.no_grad()
def outputs(model, clip) -> dict:
    """`clip` [batch, 3, frames, height, width] -> `class` [batch, width] and `patches` [batch, time, rows, columns, width]
    after the last norm."""
    seen, grids = [], []
    hooks = [
        model.norm.register_forward_hook(lambda _module, _input, output: seen.append(output)),
        model.blocks[-1].register_forward_hook(lambda _module, _input, output: grids.append(output[1])),
    ]
    logits = model(clip)
    for hook in hooks:
        hook.remove()
    tokens = seen[0]
    # The classifier reads the class token and nothing else.
    torch.testing.assert_close(logits, F.linear(tokens[:, 0], model.head[1].weight, model.head[1].bias))
    return {"class": tokens[:, 0].contiguous(), "patches": tokens[:, 1:].unflatten(1, tuple(grids[0])).contiguous()}
