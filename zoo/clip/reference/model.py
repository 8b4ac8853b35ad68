"""CLIP from open_clip's own modules with QuickGELU, at any size; the same weights in Hugging Face's module; what they give.

Written against open_clip_torch 3.3.0, transformers 5.24.0 and torch 2.15.0. `check_semantics` makes sure of what could be
otherwise: activation, epsilons, causal mask, pooling, and that both libraries' modules agree.
"""

import re

import open_clip
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel


def config(image, patch, width, layers, head_width, dim, text) -> dict:
    vision = {"image_size": image, "patch_size": patch, "width": width, "layers": layers, "head_width": head_width}
    return {"embed_dim": dim, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}


TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
FULL = config(224, 16, 768, 12, 64, 512, TEXT)


def build(model_config: dict) -> nn.Module:
    return open_clip.CLIP(**model_config).eval()


# open_clip's names and what Hugging Face calls them.
NAMES = [
    (r"^visual\.(class_embedding)$", r"vision_model.embeddings.\1"),
    (r"^visual\.positional_embedding$", "vision_model.embeddings.position_embedding.weight"),
    (r"^visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"^visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"^visual\.proj$", "visual_projection.weight"),
    (r"^visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"^token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"^positional_embedding$", "text_model.embeddings.position_embedding.weight"),
    (r"^ln_final\.", "text_model.final_layer_norm."),
    (r"^text_projection$", "text_projection.weight"),
    (r"^transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"\.ln_(\d)\.", r".layer_norm\1."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
]


def hugging_face(model: nn.Module, model_config: dict) -> CLIPModel:
    """Hugging Face's module with the weights of open_clip's."""
    vision, text, dim = model_config["vision_cfg"], model_config["text_cfg"], model_config["embed_dim"]
    both = {"hidden_act": "quick_gelu", "projection_dim": dim}
    theirs = CLIPModel(
        CLIPConfig(
            projection_dim=dim,
            vision_config=both | {
                "hidden_size": vision["width"], "intermediate_size": 4 * vision["width"], "num_hidden_layers": vision["layers"],
                "num_attention_heads": vision["width"] // vision["head_width"], "image_size": vision["image_size"],
                "patch_size": vision["patch_size"],
            },
            text_config=both | {
                "hidden_size": text["width"], "intermediate_size": 4 * text["width"], "num_hidden_layers": text["layers"],
                "num_attention_heads": text["heads"], "vocab_size": text["vocab_size"],
                "max_position_embeddings": text["context_length"],
                "bos_token_id": text["vocab_size"] - 2, "eos_token_id": text["vocab_size"] - 1, "pad_token_id": 0,
            },
        )
    ).eval()
    weights = {}
    for name, tensor in model.state_dict().items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        tensor = tensor.T if name in ("visual_projection.weight", "text_projection.weight") else tensor
        if found := re.search(r"\.attn\.in_proj_(weight|bias)$", name):
            for part, rows in zip("qkv", tensor.chunk(3)):
                weights[f"{name[: found.start()]}.self_attn.{part}_proj.{found[1]}"] = rows
        else:
            weights[name] = tensor
    missing, unexpected = theirs.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("position_ids") for name in missing), (missing, unexpected)
    return theirs


@torch.no_grad()
def image_outputs(model: nn.Module, images: torch.Tensor) -> dict:
    """`images` [n, 3, side, side] -> `class` [n, width] and `patches` [n, places, width], tokens before the last norm, and
    `image_features` [n, dim], not normalised."""
    seen = []
    hook = model.visual.ln_post.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = model.encode_image(images)
    hook.remove()
    (tokens,) = seen
    return {"class": tokens[:, 0].clone(), "patches": tokens[:, 1:].clone(), "image_features": features}


@torch.no_grad()
def text_outputs(model: nn.Module, tokens: torch.Tensor) -> dict:
    """`tokens` [n, context] -> `text_features` [n, dim], not normalised."""
    return {"text_features": model.encode_text(tokens)}


@torch.no_grad()
def video_embedding(image_features: torch.Tensor) -> torch.Tensor:
    """[batch, frames, dim] -> [batch, dim]: normalise each frame, average, normalise."""
    return F.normalize(F.normalize(image_features, dim=-1).mean(dim=1), dim=-1)


@torch.no_grad()
def check_semantics(model: nn.Module, theirs: CLIPModel, images: torch.Tensor, tokens: torch.Tensor) -> None:
    """Fails if open_clip computes something other than OpenAI's CLIP, or Hugging Face something other than open_clip."""
    x = torch.linspace(-4, 4, 101)
    for tower in (model.visual, model):
        block = tower.transformer.resblocks[0]
        torch.testing.assert_close(block.mlp.gelu(x), x * torch.sigmoid(1.702 * x))
        assert (block.mlp.gelu(x) - F.gelu(x)).abs().max() > 1e-2
        assert block.ln_1.eps == block.ln_2.eps == 1e-5
    assert model.visual.ln_pre.eps == model.visual.ln_post.eps == model.ln_final.eps == 1e-5
    assert model.visual.conv1.bias is None and model.text_pool_type == "argmax"

    outputs = image_outputs(model, images)
    by_hand = model.visual.ln_post(outputs["class"]) @ model.visual.proj
    torch.testing.assert_close(outputs["image_features"], by_hand, rtol=1e-4, atol=1e-5)

    features = model.encode_text(tokens)
    for row, end in enumerate(tokens.argmax(dim=-1).tolist()):
        after = tokens.clone()
        after[row, end + 1 :] = 1
        torch.testing.assert_close(model.encode_text(after)[row], features[row], rtol=1e-4, atol=1e-5)

    vision = theirs.visual_projection(theirs.vision_model(images).pooler_output)
    torch.testing.assert_close(vision, outputs["image_features"], rtol=1e-4, atol=1e-5)
    text = theirs.text_projection(theirs.text_model(tokens).pooler_output)
    torch.testing.assert_close(text, features, rtol=1e-4, atol=1e-5)
