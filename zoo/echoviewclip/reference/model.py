"""EchoViewCLIP's architecture at any size, out of open_clip's towers and torch's layers, and what it gives.

Written from the facts of upstream's code (names of tensors, order of operations), not from the code itself, which has no
licence. CLIP comes from open_clip 3.3.0 with QuickGELU; torch 2.15.0. `check_semantics` makes sure of what could be otherwise.
"""

import copy

import open_clip
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

# How sentences of views begin, and those that deny them.
SHOWN, DENIED = "a photo of a", "a photo without a"


def config(image, patch, width, layers, head_width, dim, hidden, blocks, frames, text) -> dict:
    vision = {"image_size": image, "patch_size": patch, "width": width, "layers": layers, "head_width": head_width}
    clip = {"embed_dim": dim, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    return {"clip": clip, "dim": dim, "hidden": hidden, "blocks": blocks, "frames": frames}


TEXT = {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}
FULL = config(224, 16, 768, 12, 64, 512, 128, 4, 16, TEXT)


class TextTower(nn.Module):
    """All of CLIP's text tower but its table of words."""

    def __init__(self, clip: nn.Module):
        super().__init__()
        self.transformer, self.ln_final = clip.transformer, clip.ln_final
        self.positional_embedding, self.text_projection = clip.positional_embedding, clip.text_projection
        self.mask = clip.attn_mask

    def forward(self, words, ends):
        tokens = words.shape[1]
        x = self.transformer(words + self.positional_embedding[:tokens], attn_mask=self.mask[:tokens, :tokens])
        return self.ln_final(x)[torch.arange(len(x)), ends] @ self.text_projection


def attention(dim, hidden):
    return nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, 1))


class EchoViewCLIP(nn.Module):
    """The names of upstream's state dict after all three stages, but for buffers. With `context`, negated sentences begin with
    as many learnable vectors."""

    def __init__(self, sizes: dict, context: int = 0):
        super().__init__()
        clip = open_clip.CLIP(**sizes["clip"])
        dim, hidden, blocks = sizes["dim"], sizes["hidden"], sizes["blocks"]
        self.words = clip.token_embedding.requires_grad_(False)
        self.image_encoder, self.text_encoder, self.logit_scale = clip.visual, TextTower(clip), clip.logit_scale
        self.image_attention, self.projector = attention(dim, hidden), nn.Linear(2 * dim, dim)
        self.class_embedding = copy.deepcopy(clip.visual.class_embedding)
        self.positional_embedding = copy.deepcopy(clip.visual.positional_embedding)
        self.proj = copy.deepcopy(clip.visual.proj)
        self.image_encoder_no = copy.deepcopy(nn.Sequential(*list(clip.visual.transformer.resblocks)[-blocks:]))
        self.image_encoder_inpost_no = copy.deepcopy(clip.visual.ln_post)
        self.text_encoder_no = copy.deepcopy(self.text_encoder)
        self.image_attention_no, self.projector_no = attention(dim, hidden), nn.Linear(2 * dim, dim)
        self.projector_sqc = nn.Linear(2 * dim + sizes["frames"], dim)
        self.classifier_sqc = nn.Linear(dim, 3)
        if context:
            self.prompt_learner_no = nn.Module()
            self.prompt_learner_no.ctx = nn.Parameter(torch.empty(context, sizes["clip"]["text_cfg"]["width"]))

    def patches(self, images, class_embedding, positions):
        x = self.image_encoder.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([class_embedding.expand(len(x), 1, -1), x], dim=1) + positions
        return self.image_encoder.ln_pre(x)

    def images_not_shown(self, images):
        """The second branch: its own class token, positions, last blocks, norm and projection."""
        x = self.patches(images, self.class_embedding, self.positional_embedding)
        shared = list(self.image_encoder.transformer.resblocks)[: -len(self.image_encoder_no)]
        for block in [*shared, *self.image_encoder_no]:
            x = block(x)
        return self.image_encoder_inpost_no(x[:, 0]) @ self.proj

    def branches(self, clip, released):
        """`clip` [batch, 3, frames, side, side]"""
        batch, _, frames = clip.shape[:3]
        images = clip.transpose(1, 2).flatten(0, 1)
        shown = self.image_encoder(images).unflatten(0, (batch, frames))
        not_shown = self.images_not_shown(images).unflatten(0, (batch, frames))
        weights, weights_no = self.image_attention(shown).softmax(1), self.image_attention_no(not_shown).softmax(1)
        yes = self.projector(torch.cat([shown.mean(1), (shown * weights).sum(1)], 1))
        # What is released weighs the first branch's frames in both.
        weighed = shown if released else not_shown
        no = self.projector_no(torch.cat([not_shown.mean(1), (weighed * weights_no).sum(1)], 1))
        return {"yes": yes, "no": no, "yes_attention": weights.squeeze(2), "no_attention": weights_no.squeeze(2)}

    def quality(self, branches):
        change = (branches["no_attention"] - branches["yes_attention"]).softmax(1)
        return self.classifier_sqc(self.projector_sqc(torch.cat([branches["yes"], branches["no"], change], 1)))

    def prompts(self, shown, denied, released):
        """Texts by both towers: `shown` and `denied` are ids [n, tokens] of both kinds of sentences. With a learnable context,
        `denied` is what follows it."""
        yes = self.text_encoder(self.words(shown), shown.argmax(1))
        if released:
            return yes, self.text_encoder_no(self.words(shown), denied.argmax(1))
        words, ends = self.words(denied), denied.argmax(1)
        if hasattr(self, "prompt_learner_no"):
            context = self.prompt_learner_no.ctx.expand(len(words), -1, -1)
            words, ends = torch.cat([words[:, :1], context, words[:, 1:]], 1), ends + context.shape[1]
        return yes, self.text_encoder_no(words[:, : self.text_encoder.mask.shape[0]], ends)

    def logits(self, embeddings, texts):
        return self.logit_scale.exp() * F.normalize(embeddings, dim=-1) @ F.normalize(texts, dim=-1).T


@torch.no_grad()
def outputs(model: EchoViewCLIP, clip, shown, denied, rest=None) -> dict:
    """What the module gives for a clip and two kinds of sentences, of the method and, with `released_` before it, of what is
    released. `rest` is what follows a learnable context."""
    found = {}
    for released in (False, True):
        before = "released_" if released else ""
        branches = model.branches(clip, released)
        texts = model.prompts(shown, denied if released or rest is None else rest, released)
        found |= {f"{before}{name}": tensor for name, tensor in branches.items()}
        found[f"{before}quality"] = model.quality(branches)
        for name, text in zip(("yes", "no"), texts):
            found[f"{before}{name}_text"] = text
            found[f"{before}{name}_logits"] = model.logits(branches[name], text)
    # These are the same twice.
    for name in ("yes", "yes_attention", "no_attention", "yes_text", "yes_logits"):
        torch.testing.assert_close(found.pop(f"released_{name}"), found[name])
    return found


@torch.no_grad()
def check_semantics(model: EchoViewCLIP, clip, shown) -> None:
    """Fails if open_clip computes something other than CLIP as the module here takes it apart."""
    images = clip.transpose(1, 2).flatten(0, 1)
    x = model.patches(images, model.image_encoder.class_embedding, model.image_encoder.positional_embedding)
    x = model.image_encoder.transformer(x)
    by_hand = model.image_encoder.ln_post(x[:, 0]) @ model.image_encoder.proj
    torch.testing.assert_close(model.image_encoder(images), by_hand, rtol=1e-4, atol=1e-5)
    values = torch.linspace(-4, 4, 101)
    for block in (model.image_encoder.transformer.resblocks[0], model.image_encoder_no[0], model.text_encoder_no.transformer.resblocks[0]):
        torch.testing.assert_close(block.mlp.gelu(values), values * torch.sigmoid(1.702 * values))
        assert block.ln_1.eps == block.ln_2.eps == 1e-5
    # Nothing after the end of a text changes it.
    ends = shown.argmax(1)
    after = shown.clone()
    for row, end in enumerate(ends.tolist()):
        after[row, end + 1 :] = 1
    texts = [model.text_encoder(model.words(ids), ends) for ids in (shown, after)]
    torch.testing.assert_close(*texts, rtol=1e-4, atol=1e-5)
    # Blocks, towers and layers of the second branch are not the first's.
    pairs = [(model.projector, model.projector_no), (model.image_encoder.ln_post, model.image_encoder_inpost_no)]
    assert all((one.weight != other.weight).any() for one, other in pairs)


def save(model: EchoViewCLIP, folder, shown, denied=None) -> None:
    """A folder as upstream's training leaves it: the checkpoint of the second stage, or, without `denied`, of the first; CLIP's
    file beside it; and the checkpoint of the third, under the names that distributed training gives."""
    (folder / "train_qc").mkdir(parents=True, exist_ok=True)
    everything = {f"module.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    everything = {name: tensor for name, tensor in everything.items() if not name.startswith("module.words.")}
    is_last = lambda name: "_sqc." in name
    is_second = lambda name: "_no." in name or name in ("module.class_embedding", "module.positional_embedding", "module.proj")
    chosen = {name: tensor for name, tensor in everything.items() if not is_last(name) and (denied is not None or not is_second(name))}
    chosen["module.prompt_learner.complete_text_embeddings"] = model.words(shown)
    if denied is not None:
        chosen["module.prompt_learner_no.complete_text_embeddings"] = model.words(denied)
        # The third stage builds no text towers.
        last = {name: tensor for name, tensor in everything.items() if "text_encoder" not in name and "prompt_learner" not in name}
        write(last, folder / "train_qc" / "ckpt_epoch_29.pth")
    write(chosen, folder / "ckpt_epoch_29.pth")
    table = {"token_embedding.weight": model.words.weight, "logit_scale": model.logit_scale, "visual.proj": model.image_encoder.proj}
    save_file({name: tensor.detach().clone() for name, tensor in table.items()}, folder / "open_clip_model.safetensors")


def write(tensors: dict, path) -> None:
    print(f"{path.parent.name}/{path.name}: {len(tensors)} tensors, {sum(tensor.numel() for tensor in tensors.values())} values")
    tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    torch.save({"model": tensors, "optimizer": {"state": {}}, "max_accuracy": 0.0, "epoch": 29}, path)
