"""Gradients of one training step of every adapter on the tiny encoders, by PyTorch's autograd.

    python tests/reference/gradients.py

Writes tests/fixtures/gradients.json, which `tests/src/gradients.rs` compares with. The encoders are the real upstream
modules with the weights of zoo/*/fixtures, built as zoo/*/reference builds them; the adapters and losses are written
here from their formulas. All is computed in double precision, so that what is compared is the other side's rounding.

Clips and what adapters add are not stored: both sides compute them from an index (`clips`, `start`), away from the
zeros and identities that training starts from, where many gradients vanish. Names and layouts are those of the Rust
modules: matrices are [input, output]. Of large tensors a sample of entries is kept.

Written against the versions in zoo/*/reference/model.py.
"""

import copy
import importlib
import json
import math
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/fixtures/gradients.json"

# Bounds and values of the ranks, and their prompts: words are token ids.
RANKS = [(30, 15.0, "3 7"), (45, 37.0, "11"), (60, 52.0, "5 20 9"), (100, 75.0, "30 2")]
START, STOP, END = 37, 38, 39  # CLIP's text ends at its largest id
TARGETS = [21.5, 66.25, 48.0]
WEIGHTS = {"cross_entropy": 1.0, "kl": 1.0, "l1": 0.1}

# Entries kept of a tensor that stands on an encoder, and of one inside or of a probe, of which there are many.
SAMPLE, ENCODER_SAMPLE = 256, 16
# Entries are stored in parts of the largest.
PARTS = 100_000

COOP = {"context": 4, "position": "middle", "per_class": False, "init": "random"}
COARSE = {"ordinal": True, "refine": True, "values": "middles"}
MFL = {"trunk": "frozen", "init": "pretrained"}
ZOOM = {"trunk": "frozen", "init": "pretrained", "norm": "each"}
FULL = {"frozen": [], "last_blocks": 0, "text": False, "head": "regression"}
STATISTICS = {"reading": False}
ATTENTIVE = {"heads": 2, "blocks": 0}
LORA = {"rank": 2, "alpha": 3.0, "targets": []}

# Clips per video and the adapters with all their settings.
CASES = [
    (2, {"coop": COOP}),
    (1, {"coop": COOP | {"context": 3, "position": "end", "per_class": True}}),
    (1, {"coop": COOP | {"position": "front"}, "coarse-to-fine": COARSE}),
    (1, {"coarse-to-fine": COARSE}),
    (2, {"mfl": MFL}),
    (1, {"mfl": MFL, "coop": COOP}),
    (1, {"echozoom": ZOOM}),
    (2, {"echozoom": ZOOM | {"norm": "joint"}}),
    (2, {"mfl": MFL, "echozoom": ZOOM}),
    (1, {"linear": {"solver": "descent"}}),
    (2, {"statistics": STATISTICS, "linear": {"solver": "descent"}}),
    (1, {"statistics": STATISTICS, "full": FULL}),
    (2, {"attentive": ATTENTIVE | {"blocks": 1}}),
    (1, {"attentive": ATTENTIVE, "full": FULL}),
    (1, {"attentive": ATTENTIVE | {"blocks": 2}, "lora": LORA | {"targets": ["fc1", "c_fc"]}}),
    (1, {"lora": LORA}),
    (1, {"full": FULL}),
    (1, {"full": FULL | {"text": True, "head": "prompts"}}),
    # The targets are `some_matrices` of each encoder.
    (2, {"lora": LORA | {"targets": [...]}, "mfl": MFL, "echozoom": ZOOM, "coop": COOP}),
]


def phase(path):
    return sum(path.encode())


def wave(count, phase):
    """sin(0.7 i^2 + phase) for every index i: without pattern, and the same on both sides."""
    index = torch.arange(count, dtype=torch.float64)
    return torch.sin(0.7 * (index * index) + phase)


def start(path, shape):
    """Values of a parameter that an adapter adds."""
    spread = {1: 0.3, 2: shape[0] ** -0.5, 3: 1.0}[len(shape)]
    if ".refinement." in path:  # behind logits, which are large
        spread *= 0.1
    values = (spread * wave(math.prod(shape), phase(path))).float().double()
    return values.reshape(shape).requires_grad_()


def clips(count, shape):
    """Clips of [3, frames, height, width], each a little brighter than the one before."""
    size = math.prod(shape)
    values = wave(count * size, 0.0) + torch.arange(count).repeat_interleave(size) * 0.25
    return values.float().double().reshape(count, *shape)


def reference(encoder):
    """The modules `fixture` and `model` of an encoder's reference scripts."""
    folder = str(ROOT / "zoo" / encoder / "reference")
    for name in ("fixture", "model", "randomise", "write"):
        sys.modules.pop(name, None)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("fixture"), importlib.import_module("model")
    finally:
        sys.path.remove(folder)


def renames(encoder):
    """The patterns of an encoder's key table and what they become."""
    table = (ROOT / "zoo" / encoder / "src/keys.rs").read_text()
    found = re.findall(r'pattern: r"([^"]*)",\s*replacement: "([^"]*)"', table)
    assert len(found) == table.count("replacement:")
    return [(pattern, re.sub(r"\$(\d)", r"\\\1", replacement)) for pattern, replacement in found]


class Encoder(nn.Module):
    """A tiny encoder: vectors per step, their projection, their pooling."""

    name: str
    clip: tuple[int, ...]
    video: tuple[str, ...]
    projection: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    behind_tokens: tuple[str, ...] = ()
    norm = None
    unit_length = False
    # Of a token, where it is not that of a frame feature.
    token_width = None
    # Whether kernels are matrices in the Rust module, [filters, what a filter sees].
    kernels_are_matrices = False
    # Parts of paths of some matrices.
    some_matrices = ("fc1", "rel_pos")
    # Of low-rank additions.
    alpha = LORA["alpha"]

    def __init__(self):
        super().__init__()
        self.load()
        self.double().eval().requires_grad_(False)
        self.renames = renames(self.name)

    def path(self, name):
        """The Rust module's path of a parameter."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name

    def owner(self, name):
        module, _, leaf = name.rpartition(".")
        return self.get_submodule(module), leaf

    def is_transposed(self, name):
        module, leaf = self.owner(name)
        return leaf in ("weight", "in_proj_weight") and isinstance(module, (nn.Linear, nn.MultiheadAttention))

    def named(self, prefixes):
        """(torch's name, Rust's path) of the parameters whose path begins with one of `prefixes`."""
        for name, _ in self.named_parameters():
            module, leaf = self.owner(name)
            path = self.path(name.removeprefix("model."))
            if isinstance(module, nn.LayerNorm):
                path = path.removesuffix(leaf) + {"weight": "gamma", "bias": "beta"}[leaf]
            if path.startswith(prefixes):
                yield name, path

    def normalize(self, steps):
        norm = self.norm
        return steps if norm is None else F.layer_norm(steps, norm.normalized_shape, norm.weight, norm.bias, norm.eps)

    def finish(self, tokens):
        return F.normalize(tokens, dim=-1) if self.unit_length else tokens

    def project(self, steps):
        return self.finish(F.linear(self.normalize(steps), *self.matrix()))

    def pool(self, tokens):
        return self.finish(tokens.mean(dim=1))


def text_tower(tower, words):
    """CLIP's: word embeddings of one text, [tokens, width] -> [dim]."""
    tokens, _ = words.shape
    mask = torch.full((tokens, tokens), -torch.inf, dtype=words.dtype).triu(1)
    x = tower.transformer((words + tower.positional_embedding[:tokens])[None], attn_mask=mask)
    return tower.ln_final(x[0, -1]) @ tower.text_projection


class EchoClip(Encoder):
    name = "echoclip"
    video, projection = ("visual.",), ("visual.head.proj.",)
    behind_tokens = ("visual.head.",)
    text = tuple(f"text.net.{part}" for part in ("positional_", "transformer.", "ln_final.", "text_projection"))
    unit_length = True

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, tiny.FRAMES, tiny.HEIGHT, tiny.WIDTH)
        self.model = model.build(model.config(model.convnext_of(tiny.DEPTHS, tiny.DIMS), tiny.DIM, tiny.TEXT))
        self.model.load_state_dict(load_file(ROOT / "zoo/echoclip/fixtures/echoclip_tiny.safetensors"))

    @property
    def norm(self):
        return self.model.visual.trunk.head.norm

    def matrix(self):
        return self.model.visual.head.proj.weight, None

    def steps(self, clip):
        batch, _, frames, _, _ = clip.shape
        maps = self.model.visual.trunk.forward_features(clip.transpose(1, 2).flatten(0, 1))
        return maps.mean(dim=(2, 3)).unflatten(0, (batch, frames))

    def tokens(self, clip):
        batch, _, frames, _, _ = clip.shape
        maps = self.model.visual.trunk.forward_features(clip.transpose(1, 2).flatten(0, 1))
        return maps.flatten(2).transpose(1, 2).unflatten(0, (batch, frames)).flatten(1, 2)

    def words(self, ids):
        return self.model.token_embedding(ids)

    def encode_words(self, words):
        return text_tower(self.model, words)

    def logit_scale(self):
        return self.model.logit_scale


class Clip(Encoder):
    name = "clip"
    video, projection = ("visual.",), ("visual.proj",)
    behind_tokens = ("visual.proj", "visual.ln_post.")
    text = EchoClip.text
    unit_length = True
    some_matrices = ("c_fc",)

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, tiny.FRAMES, tiny.SIDE, tiny.SIDE)
        self.model = model.build(tiny.CONFIG)
        self.model.load_state_dict(load_file(ROOT / "zoo/clip/fixtures/clip_tiny.safetensors"))

    @property
    def norm(self):
        return self.model.visual.ln_post

    def matrix(self):
        return self.model.visual.proj.T, None

    def steps(self, clip):
        """The class token of every frame before the last norm."""
        return self.images(clip)[:, :, 0]

    def tokens(self, clip):
        """The class tokens of all frames, then all patches."""
        images = self.images(clip)
        return torch.cat([images[:, :, 0], images[:, :, 1:].flatten(1, 2)], dim=1)

    def images(self, clip):
        """Tokens of every frame before the last norm, [batch, frames, tokens, width]."""
        batch, _, frames, _, _ = clip.shape
        seen = []
        hook = self.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        self.model.visual(clip.transpose(1, 2).flatten(0, 1))
        hook.remove()
        return seen[0].unflatten(0, (batch, frames))

    words, encode_words, logit_scale = EchoClip.words, EchoClip.encode_words, EchoClip.logit_scale


class EchoViewClip(Encoder):
    name = "echoviewclip"
    video, projection = ("visual.", "pool."), ("pool.projector.",)
    token_width = 16
    behind_tokens = ("visual.proj", "visual.ln_post.", "pool.")
    text = EchoClip.text
    some_matrices = ("c_fc",)

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, tiny.FRAMES, tiny.SIDE, tiny.SIDE)
        # The values of its fixtures.
        self.model = tiny.build()

    def matrix(self):
        return self.model.projector.weight, self.model.projector.bias

    def steps(self, clip):
        """What frames are, and the same as often as attention weighs them more than others."""
        encoder = self.model.image_encoder
        frames = encoder.ln_post(self.images(clip)[:, :, 0]) @ encoder.proj
        weights = self.model.image_attention(frames).softmax(dim=1) * frames.shape[1]
        return torch.cat([frames, weights * frames], dim=2)

    def tokens(self, clip):
        """The class tokens of all frames, then all patches."""
        images = self.images(clip)
        return torch.cat([images[:, :, 0], images[:, :, 1:].flatten(1, 2)], dim=1)

    def images(self, clip):
        """Tokens of every frame before the last norm, [batch, frames, tokens, width]."""
        batch, _, frames, _, _ = clip.shape
        encoder = self.model.image_encoder
        x = self.model.patches(clip.transpose(1, 2).flatten(0, 1), encoder.class_embedding, encoder.positional_embedding)
        return encoder.transformer(x).unflatten(0, (batch, frames))

    def words(self, ids):
        return self.model.words(ids)

    def encode_words(self, words):
        return text_tower(self.model.text_encoder, words)

    def logit_scale(self):
        return self.model.logit_scale


class EchoPrime(Encoder):
    name = "echoprime"
    video, projection = ("video.", "head."), ("head.",)
    behind_tokens = ("head.",)
    text = (
        "text.bert.embeddings.position_embeddings.", "text.bert.embeddings.token_type_embeddings.",
        "text.bert.embeddings.norm.", "text.bert.layers.", "text.text_projection.",
    )

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, *tiny.VIDEO.clip)
        self.model = nn.ModuleDict({"video": tiny.VIDEO.build(), "text": model.Text(tiny.BERT, tiny.VIDEO.dim)})
        for part, file in [("video", "echo_prime_encoder.pt"), ("text", "echo_prime_text_encoder.pt")]:
            self.model[part].load_state_dict(torch.load(tiny.FOLDER / "tiny" / file))

    def matrix(self):
        head = self.model["video"].head[1]
        return head.weight, head.bias

    def steps(self, clip):
        """The normed class token, and at each step what the mean of its patches has over the mean of all."""
        tokens, (frames, height, width) = self.seen(clip)
        means = tokens[:, 1:].unflatten(1, (frames, height * width)).mean(dim=2)
        return tokens[:, :1] + means - means.mean(dim=1, keepdim=True)

    def tokens(self, clip):
        return self.seen(clip)[0]

    def seen(self, clip):
        """All normed tokens, the class token first, and the grid of the others."""
        video, seen = self.model["video"], {}
        hooks = [
            video.norm.register_forward_hook(lambda _module, _input, output: seen.update(tokens=output)),
            video.blocks[-1].register_forward_hook(lambda _module, _input, output: seen.update(grid=output[1])),
        ]
        video(clip)
        for hook in hooks:
            hook.remove()
        return seen["tokens"], seen["grid"]

    def words(self, ids):
        return self.model["text"].backbone.bert.embeddings.word_embeddings(ids)

    def encode_words(self, words):
        text = self.model["text"]
        return text.text_projection(text.backbone.bert(inputs_embeds=words[None]).last_hidden_state[0, 0])

    def logit_scale(self):
        return torch.tensor(2.65926).double()


class MvitKinetics(EchoPrime):
    name = "mvit-kinetics"
    video, projection, text, behind_tokens = ("video.",), (), (), ()

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, *model.TINY["clip"])
        self.model = nn.ModuleDict({"video": tiny.build().double()})
        self.model["video"].load_state_dict(torch.load(tiny.FOLDER / "tiny.pth"))
        self.model["video"].head = nn.Identity()

    def path(self, name):
        return super().path(name.removeprefix("video."))

    def matrix(self):
        return torch.eye(self.model["video"].norm.normalized_shape[0]).double(), None


class PanEcho(Encoder):
    name = "panecho"
    video = ("encoder.",)
    behind_tokens = ("encoder.encoder.norm.", "encoder.transformer.")

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, tiny.FRAMES, tiny.HEIGHT, tiny.WIDTH)
        self.model = model.PanEcho(**tiny.TINY)
        weights = load_file(ROOT / "zoo/panecho/fixtures/panecho_tiny.safetensors")
        weights.pop("encoder.time_encoder.pe")
        self.model.load_state_dict(weights)

    def matrix(self):
        return torch.eye(self.model.encoder["transformer"].layers[0].linear1.in_features).double(), None

    def steps(self, clip):
        return self.model.steps(clip)

    def tokens(self, clip):
        batch, channels, frames, height, width = clip.shape
        images = clip.reshape(batch * frames, channels, height, width)  # as released: no permutation
        maps = self.model.encoder["encoder"]["model"].features(images)
        return maps.flatten(2).transpose(1, 2).unflatten(0, (batch, frames)).flatten(1, 2)


class R2Plus1d(Encoder):
    name = "r2plus1d"
    video = ("backbone.",)
    kernels_are_matrices = True
    some_matrices = ("spatial.", "layer2.1.conv2.temporal")
    # With 3, one value before a ReLU is 3e-7, and negative in single precision.
    alpha = 2.5

    def load(self):
        tiny, model = reference(self.name)
        self.clip = (3, tiny.FRAMES, tiny.HEIGHT, tiny.WIDTH)
        self.model = model.r2plus1d(**tiny.TINY)
        weights = load_file(ROOT / "zoo/r2plus1d/fixtures/r2plus1d_tiny.safetensors")
        self.model.load_state_dict({name.removeprefix("module."): tensor for name, tensor in weights.items()})

    def matrix(self):
        return torch.eye(self.model.fc.in_features).double(), None

    def steps(self, clip):
        return self.maps(clip).mean(dim=(3, 4)).transpose(1, 2)

    def tokens(self, clip):
        return self.maps(clip).flatten(2).transpose(1, 2)

    def maps(self, clip):
        """[batch, channels, time, rows, columns]"""
        x = self.model.stem(clip)
        for layer in (self.model.layer1, self.model.layer2, self.model.layer3, self.model.layer4):
            x = layer(x)
        return x


class Adapted:
    """An encoder with what a case's adapters add; `parameters` are what trains, by path."""

    def __init__(self, encoder, lender, settings):
        self.encoder = copy.deepcopy(encoder)
        self.settings, self.parameters, self.layouts = settings, {}, {}
        self.lender = self.encoder if encoder.text else lender
        self.zoom, self.attention = settings.get("echozoom"), "mfl" in settings
        self.statistics = "statistics" in settings
        self.probe = settings.get("attentive")
        coarse, full = settings.get("coarse-to-fine"), settings.get("full", {})
        prompts = "coop" in settings or coarse or encoder.text and not self.regresses()
        self.head = "Prompts" if prompts else "Linear"

        weight, bias = encoder.matrix()
        dim, width = weight.shape
        token = encoder.token_width or width
        if full:
            self.tune(encoder.video, encoder.behind_tokens if self.probe else ())
        if full.get("text") and prompts and encoder.text:
            self.tune(encoder.text)
        if lora := settings.get("lora"):
            without = encoder.projection if self.zoom else encoder.behind_tokens if self.probe else ()
            self.add_low_rank(**lora, without=without)
        if self.zoom:
            self.add("zoom.base", [width, dim])
            self.add("zoom.zoom", [width, dim])
            self.add("zoom.bias", [dim])
            if self.zoom["norm"] == "joint":
                self.add("zoom.norm.gamma", [2 * width])
                self.add("zoom.norm.beta", [2 * width])
        if self.attention:
            self.add_linear("pool.first", dim, 64)
            self.add_linear("pool.second", 64, 64)
            self.add_linear("pool.score", 64, 1)
            self.add_linear("pool.aggregate", dim, dim)
        if self.probe:
            self.add_probe(token)
        if not prompts:
            self.add("head.Linear.weight", [2 * dim if self.statistics else token if self.probe else dim, 1])
            self.add("head.Linear.bias", [1])
            return
        if coop := settings.get("coop"):
            words = self.lender.words(torch.tensor([START])).shape[-1]
            rows = len(RANKS) if coop["per_class"] else 1
            self.add("head.Prompts.context", [rows, coop["context"], words])
        if coarse:
            self.add_linear("head.Prompts.refinement.first", len(RANKS), 2 * len(RANKS))
            self.add_linear("head.Prompts.refinement.second", 2 * len(RANKS), len(RANKS))
        if not encoder.text:
            self.add_linear("borrowed.bridge", dim, self.lender.matrix()[0].shape[0])

    def regresses(self):
        """Whether a linear map is chosen or, where nothing else is, preferred."""
        full = self.settings.get("full", {})
        names = ("linear", "lora", "attentive")
        return any(name in self.settings for name in names) or full.get("head") == "regression"

    def add(self, path, shape):
        self.parameters[path] = start(path, shape)

    def add_linear(self, path, inputs, outputs):
        self.add(f"{path}.weight", [inputs, outputs])
        self.add(f"{path}.bias", [outputs])

    def add_norm(self, path, width):
        self.add(f"{path}.gamma", [width])
        self.add(f"{path}.beta", [width])

    def add_probe(self, width):
        self.add("probe.query", [width])
        for block in (f"probe.blocks.resblocks.{index}" for index in range(self.probe["blocks"])):
            self.add_norm(f"{block}.ln_1", width)
            self.add_linear(f"{block}.attn.in_proj", width, 3 * width)
            self.add_linear(f"{block}.attn.out_proj", width, width)
            self.add_norm(f"{block}.ln_2", width)
            self.add_linear(f"{block}.mlp.c_fc", width, 4 * width)
            self.add_linear(f"{block}.mlp.c_proj", 4 * width, width)
        self.add_norm("probe.norm1", width)
        self.add_linear("probe.q", width, width)
        self.add_linear("probe.kv", width, 2 * width)
        self.add_norm("probe.norm2", width)
        self.add_linear("probe.fc1", width, 4 * width)
        self.add_linear("probe.fc2", 4 * width, width)

    def tune(self, prefixes, without=()):
        for name, path in self.encoder.named(prefixes):
            if path.startswith(tuple(without)):
                continue
            self.parameters[f"encoder.{path}"] = self.encoder.get_parameter(name).requires_grad_()
            self.layouts[f"encoder.{path}"] = self.encoder.is_transposed(name)

    def add_low_rank(self, rank, alpha, targets, without):
        for name, path in list(self.encoder.named(self.encoder.video)):
            matrix = self.encoder.get_parameter(name)
            if self.encoder.kernels_are_matrices and matrix.dim() > 2:
                matrix = matrix.flatten(1)
            named = any(target in path for target in targets) if targets else path.endswith("weight")
            if matrix.dim() != 2 or not named or path.startswith(without):
                continue
            transposed = self.encoder.is_transposed(name)
            inputs, outputs = reversed(matrix.shape) if transposed else matrix.shape
            a, b = f"encoder.{path}.lora.a", f"encoder.{path}.lora.b"
            self.add(a, [inputs, rank])
            self.add(b, [rank, outputs])
            added = Added(self.parameters[a], self.parameters[b], alpha / rank, transposed)
            parametrize.register_parametrization(*self.encoder.owner(name), added, unsafe=True)

    def linear(self, path, x):
        return x @ self.parameters[f"{path}.weight"] + self.parameters[f"{path}.bias"]

    def forward(self, clip, count):
        """[videos * count, 3, frames, height, width] -> the videos' values and logits, if there are any."""
        if self.probe:
            return self.regressed(self.probed(self.encoder.tokens(clip), count)), None
        steps = self.encoder.steps(clip)
        tokens = self.both_scales(steps, clip) if self.zoom else self.encoder.project(steps)
        if self.attention:
            tokens = tokens.unflatten(0, (-1, count)).flatten(1, 2)  # the steps of all clips of a video
            hidden = self.linear("pool.second", self.linear("pool.first", tokens).tanh()).tanh()
            weights = self.linear("pool.score", hidden).softmax(dim=1)
            tokens = self.linear("pool.aggregate", (weights * tokens).sum(dim=1, keepdim=True))
        embedding = moments(tokens) if self.statistics else self.encoder.pool(tokens)
        value, logits = self.prompted(embedding) if self.head == "Prompts" else (self.regressed(embedding), None)
        value, logits = [
            None if x is None else x.unflatten(0, (clip.shape[0] // count, -1)).mean(dim=1) for x in (value, logits)
        ]
        return value, logits

    def norm(self, path, x):
        return F.layer_norm(x, x.shape[-1:], self.parameters[f"{path}.gamma"], self.parameters[f"{path}.beta"], 1e-5)

    def attend(self, query, key, value):
        query, key, value = (x.unflatten(-1, (self.probe["heads"], -1)).transpose(1, 2) for x in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)

    def probed(self, tokens, count):
        """[videos * count, tokens, width] -> what the query finds in all tokens of a video, [videos, width]."""
        for block in (f"probe.blocks.resblocks.{index}" for index in range(self.probe["blocks"])):
            parts = self.linear(f"{block}.attn.in_proj", self.norm(f"{block}.ln_1", tokens)).chunk(3, dim=-1)
            tokens = tokens + self.linear(f"{block}.attn.out_proj", self.attend(*parts))
            hidden = F.gelu(self.linear(f"{block}.mlp.c_fc", self.norm(f"{block}.ln_2", tokens)))
            tokens = tokens + self.linear(f"{block}.mlp.c_proj", hidden)
        tokens = self.norm("probe.norm1", tokens.unflatten(0, (-1, count)).flatten(1, 2))
        query = self.parameters["probe.query"].expand(len(tokens), 1, -1)
        x = query + self.attend(self.linear("probe.q", query), *self.linear("probe.kv", tokens).chunk(2, dim=-1))
        x = x + self.linear("probe.fc2", F.gelu(self.linear("probe.fc1", self.norm("probe.norm2", x))))
        return x[:, 0]

    def both_scales(self, steps, clip):
        batch, _, frames, height, width = clip.shape
        images = clip.transpose(1, 2).flatten(0, 1)
        large = F.interpolate(images, scale_factor=2, mode="bicubic", align_corners=False)
        quarters = []
        for top in (0, height):
            for left in (0, width):
                quarter = large[:, :, top : top + height, left : left + width]
                quarters.append(self.encoder.steps(quarter.unflatten(0, (batch, frames)).transpose(1, 2)))
        enlarged = torch.stack(quarters).mean(dim=0)
        parameters = self.parameters
        if self.zoom["norm"] == "joint":
            both, gamma = torch.cat([steps, enlarged], dim=-1), parameters["zoom.norm.gamma"]
            both = F.layer_norm(both, both.shape[-1:], gamma, parameters["zoom.norm.beta"], 1e-6)
            steps, enlarged = both.chunk(2, dim=-1)
        else:
            steps, enlarged = self.encoder.normalize(steps), self.encoder.normalize(enlarged)
        projected = steps @ parameters["zoom.base"] + enlarged @ parameters["zoom.zoom"] + parameters["zoom.bias"]
        return self.encoder.finish(projected)

    def regressed(self, embedding):
        values = torch.tensor([value for _, value, _ in RANKS]).double()
        x = embedding if self.statistics else F.normalize(embedding, dim=-1) * embedding.shape[-1] ** 0.5
        return values.mean() + values.std(correction=0) * self.linear("head.Linear", x)[:, 0]

    def prompted(self, embedding):
        if self.lender is not self.encoder:
            embedding = self.linear("borrowed.bridge", embedding)
        prompts = torch.stack([self.lender.encode_words(self.prompt(rank)) for rank in range(len(RANKS))])
        cosines = F.normalize(embedding, dim=-1) @ F.normalize(prompts, dim=-1).T
        logits = self.lender.logit_scale().exp() * cosines
        values = torch.tensor([value for _, value, _ in RANKS]).double()
        if "coarse-to-fine" in self.settings:
            hidden = self.linear("head.Prompts.refinement.first", logits).relu()
            values = values / (1 + self.linear("head.Prompts.refinement.second", hidden).tanh())
        return (logits.softmax(dim=1) * values).sum(dim=1), logits

    def prompt(self, rank):
        """Word embeddings of a rank's prompt with its context, [tokens, width]."""
        own = [int(word) for word in RANKS[rank][2].split()]
        words = self.lender.words(torch.tensor([START, *own, STOP, END])).detach()
        if "coop" not in self.settings:
            return words
        context = self.parameters["head.Prompts.context"]
        context = context[rank if len(context) > 1 else 0]
        before = {"end": len(context), "middle": len(context) // 2, "front": 0}[self.settings["coop"]["position"]]
        return torch.cat([words[:1], context[:before], words[1:-2], context[before:], words[-2:]])

    def gradients(self):
        """Of every parameter, in the layout of the Rust module."""
        found = {}
        for path, parameter in sorted(self.parameters.items()):
            assert parameter.grad is not None, f"{path} has no gradient"
            found[path] = parameter.grad.T if self.layouts.get(path) else parameter.grad
        return found


def moments(tokens):
    """Mean and log deviation over steps of unit length times the root of their number of channels."""
    tokens = F.normalize(tokens, dim=-1) * tokens.shape[-1] ** 0.5
    return torch.cat([tokens.mean(dim=1), 0.5 * (tokens.var(dim=1, correction=0) + 1e-4).log()], dim=-1)


class Added(nn.Module):
    """A matrix with a low-rank addition."""

    def __init__(self, a, b, scale, transposed):
        super().__init__()
        self.delta = lambda: scale * (a @ b).T if transposed else scale * (a @ b)

    def forward(self, matrix):
        return matrix + self.delta().reshape(matrix.shape)


def losses(value, logits, ordinal):
    targets = torch.tensor(TARGETS).double()
    total = WEIGHTS["l1"] * (value - targets).abs().mean()
    if logits is None:
        return total
    bounds = [bound for bound, _, _ in RANKS]
    right = torch.tensor([next(rank for rank, bound in enumerate(bounds) if target <= bound) for target in TARGETS])
    distance = (right[:, None] - torch.arange(len(RANKS))).abs().double()

    def weighted(axis):
        """Wrong ranks by their share of all distances along `axis`, times the number of others there."""
        if not ordinal:
            return logits
        shares = distance / distance.sum(dim=axis, keepdim=True) * (distance.shape[axis] - 1)
        return logits * torch.where(distance == 0, 1.0, shares)

    total = total + WEIGHTS["cross_entropy"] * F.cross_entropy(weighted(1), right)
    # How every rank that is present spreads over the batch, against ten times a one-hot.
    spread, present = weighted(0).log_softmax(dim=0), right.unique()
    divergences = [
        F.kl_div(spread[:, rank], (10.0 * (right == rank).double()).softmax(dim=0), reduction="sum") for rank in present
    ]
    return total + WEIGHTS["kl"] * torch.stack(divergences).mean()


def sampled(path, gradient, largest):
    """A tensor's largest absolute gradient, then a sample of its entries in parts of that, evenly spaced with both
    ends; a zero alone where the gradient is nothing but rounding."""
    values = gradient.flatten()
    top = values.abs().max().item()
    if top < 1e-12 * largest:
        return [0.0]
    count = min(len(values), ENCODER_SAMPLE if path.startswith(("encoder.", "probe.")) else SAMPLE)
    at = [index * (len(values) - 1) // max(count - 1, 1) for index in range(count)]
    return [float(f"{top:.7g}"), *(round(values[index].item() / top * PARTS) for index in at)]


def main():
    torch.backends.mha.set_fastpath_enabled(False)
    lender = EchoClip()
    ranks = [{"up_to": up_to, "value": value, "prompt": prompt} for up_to, value, prompt in RANKS]
    golden = {"ranks": ranks, "targets": TARGETS, "loss": WEIGHTS, "encoders": {}}
    for encoder in (lender, EchoPrime(), PanEcho(), Clip(), R2Plus1d(), MvitKinetics(), EchoViewClip()):
        cases = []
        for count, settings in CASES:
            if not encoder.text and settings.get("full", {}).get("text"):
                continue
            if lora := settings.get("lora"):
                targets = list(encoder.some_matrices) if lora["targets"] else []
                settings = settings | {"lora": lora | {"alpha": encoder.alpha, "targets": targets}}
            adapted = Adapted(encoder, lender, settings)
            value, logits = adapted.forward(clips(count * len(TARGETS), encoder.clip), count)
            loss = losses(value, logits, "coarse-to-fine" in settings)
            loss.backward()
            gradients = adapted.gradients()
            largest = max(gradient.abs().max().item() for gradient in gradients.values())
            found = {path: sampled(path, gradient, largest) for path, gradient in gradients.items()}
            cases.append({"clips": count, "settings": settings, "loss": loss.item(), "gradients": found})
            zero = [path for path, entries in found.items() if entries == [0.0]]
            print(f"{encoder.name} {'+'.join(settings)}: loss {loss.item():.4f}, {len(found)} tensors, zero: {zero}")
        golden["encoders"][encoder.name] = {"clip": encoder.clip, "cases": cases}
    text = json.dumps(golden, separators=(",", ":"))
    GOLDEN.write_text(re.sub(r'(?<=[{,])("[^"]+":\[[-.e0-9]+[],])', r"\n\1", text) + "\n")
    print(f"{GOLDEN.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
