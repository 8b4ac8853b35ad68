"""EchoPrime's three networks from the real torchvision and transformers modules, at any size.

Written with torch 2.15.0, torchvision 0.29.2 and transformers 5.23.0.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlockConfig, ConvNeXt, convnext_base
from torchvision.models.video import mvit_v2_s
from torchvision.models.video.mvit import MSBlockConfig, MViT
from transformers import AutoModelForMaskedLM, BertConfig

VIEWS = 11


@dataclass
class Video:
    """A pyramid of four stages with the rules of `mvit_v2_s`."""

    clip: tuple[int, int, int]
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    heads: tuple[int, ...]
    stride_kv: int
    dim: int
    patch_kernel: tuple[int, int, int] = (3, 7, 7)
    patch_stride: tuple[int, int, int] = (2, 4, 4)

    def build(self) -> nn.Module:
        settings, channels = [], self.widths[0]
        for stage, depth in enumerate(self.depths):
            for block in range(depth):
                stride_q, stride_kv = 2 if stage and not block else 1, max(self.stride_kv >> stage, 1)
                settings.append(
                    MSBlockConfig(
                        num_heads=self.heads[stage],
                        input_channels=channels,
                        output_channels=self.widths[stage],
                        kernel_q=[3, 3, 3],
                        kernel_kv=[3, 3, 3],
                        stride_q=[1, stride_q, stride_q],
                        stride_kv=[1, stride_kv, stride_kv],
                    )
                )
                channels = self.widths[stage]
        frames, *size = self.clip
        return MViT(
            spatial_size=tuple(size),
            temporal_size=frames,
            block_setting=settings,
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            num_classes=self.dim,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            patch_embed_kernel=self.patch_kernel,
            patch_embed_stride=self.patch_stride,
            patch_embed_padding=tuple(side // 2 for side in self.patch_kernel),
        ).eval()


def full_video(dim: int = 512) -> nn.Module:
    model = mvit_v2_s()
    model.head[1] = nn.Linear(model.head[1].in_features, dim)
    return model.eval()


class Text(nn.Module):
    """BERT as a masked language model, of which only the last hidden state at the first token is used."""

    def __init__(self, config: BertConfig, dim: int):
        super().__init__()
        self.backbone = AutoModelForMaskedLM.from_config(config)
        self.text_projection = nn.Linear(config.hidden_size, dim)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        output = self.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return self.text_projection(output.hidden_states[-1][:, 0])


def view(depths, widths) -> nn.Module:
    outputs = (*widths[1:], None)
    blocks = [CNBlockConfig(width, output, depth) for width, output, depth in zip(widths, outputs, depths)]
    return ConvNeXt(blocks, num_classes=VIEWS).eval()


def full_view() -> nn.Module:
    model = convnext_base()
    model.classifier[-1] = nn.Linear(model.classifier[-1].in_features, VIEWS)
    return model.eval()


@torch.no_grad()
def video_outputs(model: nn.Module, clip: torch.Tensor) -> dict:
    """`clip` [batch, 3, frames, height, width] -> `embedding` [batch, dim], and the normed tokens behind it:
    `class` [batch, width], `patch_means` [batch, steps, width], the patches' mean at every step."""
    seen, grids = [], []
    hooks = [
        model.norm.register_forward_hook(lambda _module, _input, output: seen.append(output)),
        model.blocks[-1].register_forward_hook(lambda _module, _input, output: grids.append(output[1])),
    ]
    embedding = model(clip)
    for hook in hooks:
        hook.remove()
    tokens, (steps, height, width) = seen[0], grids[0]
    patches = tokens[:, 1:].unflatten(1, (steps, height * width))
    torch.testing.assert_close(embedding, F.linear(tokens[:, 0], model.head[1].weight, model.head[1].bias))
    return {"embedding": embedding, "class": tokens[:, 0].contiguous(), "patch_means": patches.mean(dim=2)}


@torch.no_grad()
def text_outputs(model: Text, ids: torch.Tensor, lengths: torch.Tensor) -> dict:
    """`ids` [n, tokens], padded; fails if padding reaches an embedding -> `text_embedding` [n, dim]."""
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    embedding = model(ids, mask)
    for row, length in enumerate(lengths.tolist()):
        alone = model(ids[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], embedding[row], rtol=1e-3, atol=1e-4)
    return {"text_embedding": embedding}


@torch.no_grad()
def view_outputs(model: nn.Module, clip: torch.Tensor) -> dict:
    """`view_logits` [batch, 11] of each clip's first frame."""
    return {"view_logits": model(clip[:, :, 0])}
