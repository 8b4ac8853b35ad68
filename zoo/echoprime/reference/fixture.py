"""Writes ../fixtures: the released files at a tiny size, inputs and outputs, and texts with their token ids.

    python zoo/echoprime/reference/fixture.py

- `tiny/`: the real modules with every parameter randomised, an input and its outputs, in the files of full.py
- `word_piece.json`: texts with the ids that Hugging Face's BERT tokenizer gives them with the nano vocabulary
"""

import json
from pathlib import Path

import torch
from model import Text, Video, view
from randomise import generator
from transformers import BertConfig, BertTokenizerFast
from write import write_outputs, write_weights

SEED = 1
FOLDER = Path(__file__).parent.parent / "fixtures"
# Maps of 4 x 16 x 10, 4 x 8 x 5, 4 x 4 x 3 and 4 x 2 x 2: height is not width, odd sides, and tables of relative
# positions that are interpolated for the shorter side.
VIDEO = Video(
    clip=(8, 64, 40), depths=(2, 2, 2, 2), widths=(8, 16, 24, 32), heads=(1, 2, 2, 4), stride_kv=4, dim=12
)
BERT = BertConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
    max_position_embeddings=20,
)
LENGTHS = (2, 5, 9, 14)
BATCH = 2

TEXTS = [
    "", " ", "The left ventricle is of normal size.", "Ejection fraction 55 %, preserved.", "EF 35-40%", "LVEF=25%",
    "left ventricle that hardly contracts, ejection fraction at most 30 percent",
    "left ventricle that contracts very strongly, ejection fraction of 71 percent or more.",
    "Severe aortic stenosis: Vmax 4.3 m/s, mean gradient 42 mmHg, AVA 0.8 cm2.", "E/A 0.8, E/e' 14",
    "Trace-to-mild tricuspid regurgitation", "No pericardial effusion (max. 8 mm), no tamponade!",
    "IVC 2.1 cm, collapses >50% with sniff", "GLS -18.4%", "Study quality: poor?? Repeat with contrast...",
    "Patient: 67y/o, height 5'9\", weight 181.5 lb", "hyperkinetically unremarkableness", "zxqj wvkp", "a" * 100,
    "a" * 101, "b" * 99 + "1", "naïve façade Ångström", "cafe\u0301 DÉJÀ VU", "größer GROẞ straße", "İstanbul ı",
    "ΑΟΡΤΙΚΉ ΣΤΈΝΩΣΙΣ ΣΑΣ", "Сердце Ёлка", "صمام القلب", "हृदय", "心臓の超音波検査", "左心室55％", "심장", "a心b",
    "😀 ❤️", "tab\tnew\nline\r\nend", "no\u00a0break\u3000wide", "zero\u200bwidth", "soft\u00adhyphen", "\ufeffbom",
    "nul\x00bell\x07", "\ufffd replaced", "private\ue000use", "±5 °C ≤ ≥ × µm ² ½", "“quoted” ‘single’ — dash – …",
    "$5 + 3 = 8 ^ ` ~ | < >", "a_b-c/d\\e", "###", "##ing", "x²y³", "1,000,000.00", "100", "101", "07", "1e-6", "A4C view",
    "APICAL FOUR-CHAMBER", "don't can't it's", "mitral-valve", "aortic/mitral", "[unused]", "¿qué?", "№ 5", "ﬁrst ﬂow",
    "ǅ ŉ", "\u0301accent", "a\u0338b", "\x85next", "\u2028line", "𝒜𝓑", "٣٤", "Ⅳ",
]


def tokenizer() -> BertTokenizerFast:
    words = (FOLDER.parent / "assets/vocabulary_nano.txt").read_text(encoding="utf-8").splitlines()
    return BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}, do_lower_case=True)


def main():
    video, text, views = VIDEO.build(), Text(BERT, VIDEO.dim).eval(), view((2, 2, 2, 2), (4, 8, 12, 16))
    write_weights(FOLDER / "tiny", SEED, video, text, views)
    clip = torch.randn(BATCH, 3, *VIDEO.clip, generator=generator(SEED, "clip"))
    ids = torch.randint(0, BERT.vocab_size, (len(LENGTHS), max(LENGTHS)), generator=generator(SEED, "ids"))
    write_outputs(FOLDER / "tiny", video, text, views, [clip], ids, torch.tensor(LENGTHS))

    pieces = tokenizer()
    rows = [{"text": text, "ids": pieces(text)["input_ids"]} for text in TEXTS]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (FOLDER / "word_piece.json").write_text(f"[\n{lines}\n]\n")
    unknown = sum(pieces.unk_token_id in row["ids"] for row in rows)
    print(f"{len(rows)} texts, {unknown} with an unknown token")


if __name__ == "__main__":
    main()
