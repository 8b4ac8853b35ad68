"""EchoCLIP's towers from timm's ConvNeXt and plain torch, for machines without open_clip, under open_clip's names.

    python zoo/echoclip/reference/towers.py

compares them with open_clip's own, where that is installed.
"""

from collections import OrderedDict

import torch
from timm.models.convnext import ConvNeXt
from torch import nn
from torch.nn import functional as F

FULL = {
    "depths": (3, 3, 27, 3), "dims": (128, 256, 512, 1024), "dim": 512,
    "vocabulary": 49408, "context": 77, "width": 512, "heads": 8, "layers": 12,
}
NANO = {
    "depths": (0, 1, 1, 1), "dims": (8, 16, 40, 128), "dim": 96,
    "vocabulary": 4096, "context": 77, "width": 96, "heads": 4, "layers": 3,
}


class Visual(nn.Module):
    def __init__(self, depths, dims, dim):
        super().__init__()
        self.trunk = ConvNeXt(depths=depths, dims=dims, num_classes=0)
        self.head = nn.Sequential(OrderedDict(proj=nn.Linear(dims[-1], dim, bias=False)))

    def forward(self, images):
        return self.head(self.trunk(images))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        layers = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", nn.GELU()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x, mask):
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class EchoClip(nn.Module):
    def __init__(self, depths, dims, dim, vocabulary, context, width, heads, layers):
        super().__init__()
        self.visual = Visual(depths, dims, dim)
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList([Block(width, heads) for _ in range(layers)])})
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, dim))
        self.logit_scale = nn.Parameter(torch.zeros([]))
        self.eval()

    def encode_image(self, images):
        """[n, 3, height, width] -> [n, dim], not normalised"""
        return self.visual(images)

    def encode_clip(self, clip):
        """[batch, 3, frames, height, width] -> [batch, dim]: normalise each frame, average, normalise"""
        frames = self.encode_image(clip.transpose(1, 2).flatten(0, 1)).unflatten(0, (clip.shape[0], clip.shape[2]))
        return F.normalize(F.normalize(frames, dim=-1).mean(dim=1), dim=-1)

    def encode_text(self, ids):
        """[n, tokens] -> [n, dim] at each row's largest id, not normalised"""
        return self.encode_words(self.token_embedding(ids), ids.argmax(dim=-1))

    def encode_words(self, words, ends):
        """[n, tokens, width] -> [n, dim] at each row's token `ends`, not normalised"""
        count, tokens, _ = words.shape
        x = words + self.positional_embedding[:tokens]
        mask = torch.full((tokens, tokens), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        for block in self.transformer["resblocks"]:
            x = block(x, mask)
        return self.ln_final(x[torch.arange(count, device=x.device), ends]) @ self.text_projection


@torch.no_grad()
def main():
    from model import build, config, convnext_of
    from randomise import randomise

    text = {"context_length": 77, "vocab_size": 600, "width": 64, "heads": 4, "layers": 3}
    depths, dims = (1, 2, 2, 1), (16, 24, 32, 48)
    theirs = build(config(convnext_of(depths, dims), 40, text))
    randomise(theirs, 1)
    ours = EchoClip(depths, dims, 40, vocabulary=600, context=77, width=64, heads=4, layers=3)
    ours.load_state_dict(theirs.state_dict())
    images, ids = torch.randn(2, 3, 224, 224), torch.randint(1, 600, (3, 77))
    torch.testing.assert_close(ours.encode_image(images), theirs.encode_image(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.encode_text(ids), theirs.encode_text(ids), rtol=1e-4, atol=1e-5)
    print(f"equal to open_clip's in {len(ours.state_dict())} tensors")


if __name__ == "__main__":
    main()
