"""Writes ../fixtures/tokenizer.json: strings with the ids that open_clip gives them.

    python crates/echo-nn/reference/tokenizer.py

`full` is open_clip's `SimpleTokenizer` as it is, `nano` the same class with the merges of ../assets/bpe_nano.txt;
both with start and end of text. Written with open_clip_torch 3.3.0 and ftfy 6.3.1.
"""

import gzip
import json
import tempfile
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

HERE = Path(__file__).parent

REPORT = [
    "The left ventricle is of normal size.",
    "Systolic function is preserved, ejection fraction about 60%.",
    "Ejection fraction by biplane Simpson: 54.5 %.",
    "EF 35-40%, global hypokinesis",
    "LVEF=25%",
    "The estimated EF lies between 30 and 35 percent.",
    "Severe aortic stenosis: Vmax 4.3 m/s, mean gradient 42 mmHg, AVA 0.8 cm2.",
    "Mitral inflow E/A 0.8, E/e' 14, deceleration time 210 ms.",
    "TAPSE 17 mm; S' 9.5 cm/s; RVSP 38 mmHg + RAP",
    "No thrombus seen in the left atrial appendage.",
    "Trace-to-mild tricuspid regurgitation",
    "A pacemaker lead crosses the tricuspid valve.",
    "Small circumferential pericardial effusion (max. 8 mm), no tamponade.",
    "IVC 2.1 cm, collapses >50% with sniff",
    "Interventricular septum 1.2cm, posterior wall 1.1cm.",
    "GLS -18.4%",
    "Bioprosthetic valve in mitral position; no paravalvular leak!",
    "Study quality: poor?? Repeat with contrast...",
    "HR 72bpm, BP 128/76mmHg, BSA 1.93m2",
    "Patient: 67y/o, height 5'9\", weight 181.5 lb",
    "Akinesis of the basal inferoseptal & inferior segments",
    "Left atrium is moderately dilated (LAVI 41 ml/m^2).",
    "LVIDd 5.20 cm LVIDs 3.75 cm FS 27.9 %",
    "Dimensions: 10x20x30 mm",
    "Aortic root = 3,9 cm",
    "Compared with the study of 2019-03-14, nothing has changed.",
    "Echocardiography",
    "ECHO",
    "rV dYsFuNcTiOn",
]
NUMBERS = [
    "0", "7", "42", "100", "1234567890", "3.14159", "-0.5", "+12", "1e-6", "1,000,000.00", "50%", "50 %", "1/2",
    "10:30", "v2.20.0", "#1", "2 x 3 = 6", "5-10", "5 - 10", "<5", ">=50", "½ of 10²", "x₁ + x₂", "Ⅳ", "٣٤",
]
PUNCTUATION = [
    "!", "!!!", "?!?!", "...", "….", "--", "—", "(a)", "[b]", "{c}", "a_b", "a__b", "e-mail@example.org",
    "https://example.org/path?x=1&y=2", "\\", "//", "C:\\echo\\file.avi", "~approx~", "^", "`code`", "$5", "€5", "±2",
    "a,b;c:d", "'", "''", '"', "*", "* * *", "<>", "</w>", "in</w>", "·", "° ' \"", "a'b", "'sup", "rock 'n' roll",
]
CONTRACTIONS = [
    "It's", "it's the patient's valve", "don't, won't, can't", "we've", "they're", "I'm", "you'll", "he'd",
    "IT'S", "'s't're've'm'll'd", "s'", "o'clock", "'tis",
]
UNICODE = [
    "naïve façade", "Ångström", "cafe\u0301", "DÉJÀ VU", "größer", "GROẞ", "İstanbul", "ΑΟΡΤΙΚΉ ΣΤΈΝΩΣΙΣ", "ΣΑΣ",
    "Сердце", "صمام القلب", "לב", "हृदय", "หัวใจ", "心臓の超音波検査", "左心室射血分数55％", "심장", "ｶﾀｶﾅ ＡＢＣ　１２３",
    "😀", "❤️ 🫀", "👩‍⚕️", "🇨🇭🇩🇪", "a😀b", "𝒜𝓑", "\u200bzero\u200bwidth", "soft\u00adhyphen", "a\u0338", "\u202eabc",
    "µm and μm", "E⁄A", "№ 5", "ﬁrst ﬂow eﬃcient ﬀ ﬄ ﬅ ﬆ", "Ĳ ĳ ǅ ŉ", "Œuvre Æon",
]
QUOTES = [
    "‘single’ “double”", "it’s the valve’s leaflet", "„low“ ‚quotes‘", "«guillemets»", "5′ 9″", "‛odd‟ ʼ",
]
ENTITIES = [
    "&amp;", "E&amp;A", "&lt;50%&gt;", "EF &ge; 50&nbsp;%", "&amp;amp;", "&amp;amp;lt;", "&eacute;t&eacute;", "&EACUTE;",
    "&#8805; 50", "&#x2264;50", "&#150;", "&#0;", "&#1;", "&#99999999;", "&copy 2024", "&notit;", "&unknown;", "AT&T",
    "this&not that", "a & b", "&", "&;", "&#;", "&#x;", "<b>it&rsquo;s</b>", "it&rsquo;s", "it&rsquo;s\n<br>\nit&rsquo;s",
    "&frac12; &deg; &plusmn; &times; &micro;", "&CounterClockwiseContourIntegral;", "&SZLIG;", "&fjlig;&bne;",
    "&amp;lt; <b>", "&amp&#59;",
]
SPACE = [
    "", " ", "   ", "\t", "\n\n", "\u3000", "\u00a0", " leading", "trailing ", "two  spaces", "tab\tbetween",
    "line\nbreak", "line\r\nbreak", "form\x0cfeed", "no\u00a0break", "thin\u2009space", "para\u2029graph", "a\x00b\x07c\x7fd",
    "bom\ufeffinside", "\x1b[31mred\x1b[0m text", "c1 \x93quoted\x94 \x85",
]
SPECIAL = [
    "<start_of_text>", "<end_of_text>", "<START_OF_TEXT>", "a <start_of_text> b", "a<end_of_text>b", "!<end_of_text>",
    "<start_of_text><end_of_text>", "<|endoftext|>", "<start_of_text", "&lt;end_of_text&gt;", "<#>",
]
LONG = [
    "electroencephalographically", "pneumonoultramicroscopicsilicovolcanoconiosis", "a" * 100, "ab" * 60, "z" * 7 + "Z" * 7,
    "Herzinsuffizienzdiagnostikverfahrensbeschreibung", "=" * 50, "-=" * 20, "9" * 40, "é" * 20, "心" * 12,
    " ".join(["normal"] * 90), "The valve opens well. " * 12,
]
MOJIBAKE = [
    "dâ€™accord", "45Â°", "Â±2 cmÂ²", "Ã©tude", "â‰¥ 50", "5 â€“ 10", "ðŸ˜€", "Ð¡ÐµÑ€Ð´Ñ†Ðµ", "ÃƒÂ©", "mÃ¼de naïve",
    "«CAFÉ»", "É”", "Â", "Ã", "château…”", "æøå ÆØÅ", "45Â° Å“uvre",
]
TEXTS = [*REPORT, *NUMBERS, *PUNCTUATION, *CONTRACTIONS, *UNICODE, *QUOTES, *ENTITIES, *SPACE, *SPECIAL, *LONG, *MOJIBAKE]


def nano() -> SimpleTokenizer:
    merges = (HERE.parent / "assets/bpe_nano.txt").read_text(encoding="utf-8").rstrip("\n")
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        file.write(gzip.compress(merges.encode()))
        file.flush()
        return SimpleTokenizer(bpe_path=file.name)


def ids(tokenizer: SimpleTokenizer, text: str) -> list[int]:
    return [tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id]


def main():
    tokenizers = {"full": SimpleTokenizer(), "nano": nano()}
    assert [t.vocab_size for t in tokenizers.values()] == [49408, 4096]
    assert len(set(TEXTS)) == len(TEXTS)
    rows = [{"text": text} | {name: ids(t, text) for name, t in tokenizers.items()} for text in TEXTS]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (HERE.parent / "fixtures/tokenizer.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(rows)} strings")


if __name__ == "__main__":
    main()
