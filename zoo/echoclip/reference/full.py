"""Writes a full-size checkpoint with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/echoclip/reference/full.py FOLDER

- `open_clip_pytorch_model.bin`, `open_clip_model.safetensors`, `open_clip_config.json`: the same weights, twice
- `clip_{0,1,2}.safetensors`: `clip` [2, 3, 4, 224, 224], what `echozoo embed --tensor` takes
- `image_{0,1,2}.safetensors`: `pooled` [2, 4, 1024], `image_features` [2, 4, 512], `embedding` [2, 512]
- `texts.json`, `text.safetensors`: three strings; `tokens` [3, 77], `text_features` and `embedding` [3, 512]
"""

import argparse
import json
from pathlib import Path

import open_clip
import torch
from model import FULL, build, check_semantics, image_outputs, text_outputs, video_embedding
from randomise import generator, randomise
from safetensors.torch import save_file
from torch.nn import functional as F

SEED = 1
CLIPS, BATCH, FRAMES, SIZE = 3, 2, 4, 224
TEXTS = [
    "Systolic function of the left ventricle is reduced, with an estimated ejection fraction of 32.5%.",
    "No pericardial effusion.",
    "The aortic valve has three leaflets; peak gradient 12 mmHg, mean gradient 7 mmHg.",
]
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    model = build(FULL)
    randomise(model, SEED)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    print(f"{len(weights)} tensors, {sum(tensor.numel() for tensor in weights.values())} values")
    torch.save(weights, folder / "open_clip_pytorch_model.bin")
    save_file(weights, folder / "open_clip_model.safetensors")
    about = {"model_cfg": FULL, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(about, indent=2) + "\n")

    tokens = open_clip.tokenizer.SimpleTokenizer()(TEXTS)
    for number in range(CLIPS):
        clip = torch.randn(BATCH, 3, FRAMES, SIZE, SIZE, generator=generator(SEED, f"clip_{number}"))
        save_file({"clip": clip}, folder / f"clip_{number}.safetensors")
        images = clip.transpose(1, 2).flatten(0, 1).contiguous()
        if number == 0:
            check_semantics(model, images[:2], tokens)
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
        print(f"{name} {key:14} {str(list(tensor.shape)):14} rms {tensor.double().square().mean().sqrt():.4f}")


if __name__ == "__main__":
    main()
