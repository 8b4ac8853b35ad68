"""EchoCLIP's architecture from open_clip's and timm's own modules, at any size, and what its towers give.

Upstream ran open_clip_torch 2.20.0 with timm 0.9.5; written against open_clip_torch 3.3.0, timm 1.0.31 and
torch 2.15.0. The newer open_clip is equal where it matters, and `check_semantics` makes sure of it: attention
is causal (upstream's mask, though tensors are now batch first), the text is pooled at the largest token id, the
activation is the exact GELU.
"""

import open_clip
import timm
import torch
from timm.models.convnext import _create_convnext
from torch import nn
from torch.nn import functional as F


def convnext_of(depths, dims) -> str:
    """Registers a ConvNeXt of that size with timm and gives its name, which open_clip's `TimmModel` takes."""
    name = "convnext_" + "_".join(map(str, (*depths, *dims)))

    def build(pretrained=False, **kwargs):
        kwargs.pop("pretrained_cfg", None)
        kwargs.pop("pretrained_cfg_overlay", None)
        return _create_convnext("convnext_base", pretrained=False, depths=depths, dims=dims, **kwargs)

    build.__name__ = name
    build.__module__ = __name__
    globals()[name] = build
    timm.models.register_model(build)
    return name


default_cfgs = {}  # timm's registry looks for it in the module of a registered model


def config(trunk: str, embed_dim: int, text: dict) -> dict:
    return {
        "embed_dim": embed_dim,
        "vision_cfg": {
            "timm_model_name": trunk,
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "timm_drop": 0.0,
            "timm_drop_path": 0.1,
            "image_size": 224,
        },
        "text_cfg": text,
    }


FULL = config(
    "convnext_base",
    512,
    {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
)


def build(model_config: dict) -> nn.Module:
    return open_clip.CLIP(**model_config).eval()


@torch.no_grad()
def image_outputs(model: nn.Module, images: torch.Tensor) -> dict:
    """`images` [n, 3, height, width] -> `pooled` [n, width], the vector before the head's norm, and
    `image_features` [n, dim], not normalised."""
    seen = []
    hook = model.visual.trunk.head.norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = model.encode_image(images)
    hook.remove()
    return {"pooled": seen[0].flatten(1).contiguous(), "image_features": features}


@torch.no_grad()
def text_outputs(model: nn.Module, tokens: torch.Tensor) -> dict:
    """`tokens` [n, context] -> `text_features` [n, dim], not normalised."""
    return {"text_features": model.encode_text(tokens)}


@torch.no_grad()
def video_embedding(image_features: torch.Tensor) -> torch.Tensor:
    """[batch, frames, dim] -> [batch, dim]: normalise each frame, average, normalise."""
    return F.normalize(F.normalize(image_features, dim=-1).mean(dim=1), dim=-1)


@torch.no_grad()
def check_semantics(model: nn.Module, images: torch.Tensor, tokens: torch.Tensor) -> None:
    """Fails if this open_clip computes something other than EchoCLIP's towers."""
    trunk, block = model.visual.trunk, model.transformer.resblocks[0]
    assert isinstance(trunk.norm_pre, nn.Identity)
    assert trunk.head.norm.eps == trunk.stages[0].blocks[0].norm.eps == 1e-6
    x = torch.linspace(-4, 4, 101)
    for activation in (trunk.stages[0].blocks[0].mlp.act, block.mlp.gelu):  # by value: timm has a GELU of its own
        assert torch.equal(activation(x), F.gelu(x)) and not torch.equal(activation(x), F.gelu(x, approximate="tanh"))
    assert block.ln_1.eps == model.ln_final.eps == 1e-5
    assert model.text_pool_type == "argmax"

    pooled = trunk.forward_features(images).mean(dim=(2, 3))
    outputs = image_outputs(model, images)
    torch.testing.assert_close(outputs["pooled"], pooled, rtol=1e-5, atol=1e-5)
    by_hand = F.linear(
        F.layer_norm(pooled, pooled.shape[-1:], trunk.head.norm.weight, trunk.head.norm.bias, 1e-6),
        model.visual.head.proj.weight,
    )
    torch.testing.assert_close(outputs["image_features"], by_hand, rtol=1e-4, atol=1e-5)

    features = model.encode_text(tokens)
    ends = tokens.argmax(dim=-1)
    for row, end in enumerate(ends.tolist()):
        after = tokens.clone()
        after[row, end + 1 :] = 1
        torch.testing.assert_close(model.encode_text(after)[row], features[row], rtol=1e-4, atol=1e-5)
        before = tokens.clone()
        before[row, end - 1] = (before[row, end - 1] + 1) % 2 + 1
        assert (model.encode_text(before)[row] - features[row]).abs().max() > 1e-3
