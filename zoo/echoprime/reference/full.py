"""Writes full-size files with every parameter randomised, inputs and outputs, for `cargo xtask parity`.

    python zoo/echoprime/reference/full.py FOLDER

- `echo_prime_encoder.pt`, `echo_prime_text_encoder.pt`, `view_classifier.pt`: upstream's names and format
- `vocab.txt`: the nano vocabulary, which stands in for BiomedBERT's; `texts.json`: three texts
- `clip_n.safetensors`: `clip` [1, 3, 16, 224, 224], what `echozoo embed --tensor` takes; `video_n.safetensors`: the
  `embedding` [1, 512] and what lies behind it; `text.safetensors`: the texts' ids and `text_embedding` [3, 512]
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import torch
from fixture import tokenizer
from model import Text, full_video, full_view
from randomise import generator
from transformers import BertConfig
from write import write_outputs, write_weights

SEED = 1
CLIPS = 3
TEXTS = [
    "Systolic function of the left ventricle is reduced, with an estimated ejection fraction of 32.5%.",
    "No pericardial effusion.",
    "The aortic valve has three leaflets; peak gradient 12 mmHg, mean gradient 7 mmHg.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder

    video, text, views = full_video(), Text(BertConfig(), 512).eval(), full_view()
    write_weights(folder, SEED, video, text, views)
    shutil.copy(Path(__file__).parent.parent / "assets/vocabulary_nano.txt", folder / "vocab.txt")
    (folder / "texts.json").write_text(json.dumps(TEXTS, indent=2) + "\n")

    clips = [torch.randn(1 + n % 2, 3, 16, 224, 224, generator=generator(SEED, f"clip_{n}")) for n in range(CLIPS)]
    tokens = tokenizer()(TEXTS, padding=True, return_tensors="pt")
    write_outputs(folder, video, text, views, clips, tokens["input_ids"], tokens["attention_mask"].sum(dim=1))

    with torch.no_grad():
        started = time.perf_counter()
        video(clips[0])
        print(f"one clip takes {time.perf_counter() - started:.2f} s on {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
