"""Saliency maps of the tiny encoders, by PyTorch's autograd.

    python tests/reference/saliency.py

Writes tests/fixtures/saliency.json, which `tests/src/saliency.rs` compares with. Encoders and clips are those of
gradients.py. What is explained is a fixed combination of the embedding's values, by Grad-CAM (Selvaraju et al., 2017) on the feature
maps of images, and by what the last attention of a vision transformer sees, each token weighed by its own gradient.

Written against the versions in zoo/*/reference/model.py.
"""

import json

import torch
from gradients import ROOT, Clip, EchoClip, EchoPrime, EchoViewClip, MvitKinetics, PanEcho, R2Plus1d, clips, wave

# Time, rows and columns of the patches that the last block of a tiny transformer sees.
GRIDS = {"echoprime": (4, 2, 2), "clip": (2, 4, 4), "mvit-kinetics": (4, 2, 2), "echoviewclip": (4, 2, 2)}
GOLDEN = ROOT / "tests/fixtures/saliency.json"


def watched(module, clip, steps, transformer):
    """What a module gives while the steps of a clip are computed, and the steps that depend on it. Of the tokens of a
    transformer, the first is not watched."""
    seen = {}

    def watch(_module, _args, output):
        values = output[:, 1:] if transformer else output
        seen["values"] = values.detach().requires_grad_()
        return torch.cat([output[:, :1].detach(), seen["values"]], dim=1) if transformer else seen["values"]

    hook = module.register_forward_hook(watch)
    found = steps(clip)
    hook.remove()
    return seen["values"], found


def saliency(encoder, clip):
    """[1, 3, frames, height, width] -> [time, rows, columns]"""
    transformer = encoder.name in GRIDS
    module = {
        EchoClip: lambda model: model.visual.trunk.stages,
        EchoPrime: lambda model: model["video"].blocks[-1].norm1,
        Clip: lambda model: model.visual.transformer.resblocks[-1].ln_1,
        EchoViewClip: lambda model: model.image_encoder.transformer.resblocks[-1].ln_1,
        MvitKinetics: lambda model: model["video"].blocks[-1].norm1,
        PanEcho: lambda model: model.encoder["encoder"]["model"].features,
        R2Plus1d: lambda model: model.layer4,
    }[type(encoder)](encoder.model)
    values, steps = watched(module, clip, encoder.steps, transformer)
    embedding = encoder.pool(encoder.project(steps))[0]
    score = embedding @ wave(len(embedding), 3.0)
    (gradient,) = torch.autograd.grad(score, values)
    values = values.detach()
    if isinstance(encoder, R2Plus1d):
        # Every time step is weighed by itself.
        gradient, values = [x[0].transpose(0, 1) for x in (gradient, values)]
    if transformer:
        return (gradient * values).sum(dim=2).relu().reshape(GRIDS[encoder.name])
    return (gradient.mean(dim=(2, 3), keepdim=True) * values).sum(dim=1).relu()


def main():
    maps = {}
    for encoder in [EchoClip(), EchoPrime(), PanEcho(), Clip(), R2Plus1d(), MvitKinetics(), EchoViewClip()]:
        found = saliency(encoder, clips(1, encoder.clip))
        assert found.max() > 0, encoder.name
        maps[encoder.name] = {
            "clip": encoder.clip,
            "shape": list(found.shape),
            "map": [float(f"{value:.7g}") for value in found.flatten().tolist()],
        }
    GOLDEN.write_text(json.dumps(maps) + "\n")


if __name__ == "__main__":
    main()
