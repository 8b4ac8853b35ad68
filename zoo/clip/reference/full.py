"""Writes full-size checkpoints with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/clip/reference/full.py FOLDER

- `open_clip_model.safetensors`, `open_clip_config.json`: open_clip's names
- `hugging_face/model.safetensors`, `hugging_face/config.json`: the same weights, as `CLIPModel.save_pretrained` writes them
- `clip_{0,1}.safetensors`: `clip` [2, 3, 2, 224, 224], what `echozoo embed --tensor` takes
- `image_{0,1}.safetensors`: `class` [2, 2, 768], `patches` [2, 2, 196, 768], `image_features` [2, 2, 512], `embedding`
- `texts.json`, `text.safetensors`: three strings; `tokens` [3, 77], `text_features` and `embedding` [3, 512]
"""

import argparse
import json
from pathlib import Path

import open_clip
import torch
from model import FULL, build, check_semantics, hugging_face, image_outputs, text_outputs, video_embedding
from randomise import generator, randomise
from safetensors.torch import save_file
from torch.nn import functional as F

SEED = 1
CLIPS, BATCH, FRAMES, SIZE = 2, 2, 2, 224
TEXTS = [
    "An ultrasound image of the heart, apical four-chamber view.",
    "A photo of a cat.",
    "The left ventricle is dilated; ejection fraction 32.5%.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    model = build(FULL)
    randomise(model, SEED)
    theirs = hugging_face(model, FULL)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")
    save_file(weights, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": FULL}, indent=2) + "\n")
    theirs.save_pretrained(folder / "hugging_face")

    tokens = open_clip.tokenizer.SimpleTokenizer()(TEXTS)
    for number in range(CLIPS):
        clip = torch.randn(BATCH, 3, FRAMES, SIZE, SIZE, generator=generator(SEED, f"clip_{number}"))
        save_file({"clip": clip}, folder / f"clip_{number}.safetensors")
        images = clip.transpose(1, 2).flatten(0, 1).contiguous()
        if number == 0:
            check_semantics(model, theirs, images, tokens)
        outputs = image_outputs(model, images)
        outputs = {name: tensor.unflatten(0, (BATCH, FRAMES)).contiguous() for name, tensor in outputs.items()}
        outputs["embedding"] = video_embedding(outputs["image_features"])
        save_file(outputs, folder / f"image_{number}.safetensors")
        report(f"clip_{number}", outputs)

    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=2) + "\n")
    outputs = text_outputs(model, tokens)
    outputs |= {"tokens": tokens, "embedding": F.normalize(outputs["text_features"], dim=-1)}
    save_file(outputs, folder / "text.safetensors")
    report("text", outputs)


def report(name, outputs):
    for key, tensor in outputs.items():
        print(f"{name} {key:14} {str(list(tensor.shape)):18} rms {tensor.double().square().mean().sqrt():.4f}")


if __name__ == "__main__":
    main()
