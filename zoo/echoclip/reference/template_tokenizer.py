"""Ids of template phrases, made by the user's own copy of upstream's tokenizer; nothing of it is in this file.

    python zoo/echoclip/reference/template_tokenizer.py FOLDER [--fingerprints]

FOLDER is a clone of https://github.com/echonet/echo_CLIP. Writes ../fixtures/template_tokenizer.json: reports with the
ids that upstream's algorithm gives them with ../fixtures/own_templates.txt as its vocabulary. Then prints what
../tests/template_tokenizer.rs expects of upstream's own vocabulary: counts and checksums of ids. With --fingerprints
it prints the tables of ../src/template_tokenizer/fingerprints.rs instead. Written with tokenizers 0.23.3.
"""

import argparse
import difflib
import importlib
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VOCABULARY = HERE.parent / "fixtures/own_templates.txt"
# As in fingerprints.rs.
NUMBER, PRIME, BASE = 0x110000, (1 << 61) - 1, 0x0EC0C11B20240077
# As in ../tests/template_tokenizer.rs.
VARIABLES = ["12", "3.25", "MILD", ".5", "100", "MODERATE/SEVERE", "0", "7.0", "VERY SEVERE", "55-60"]
NUMBERS = ["12", "3.25", "100", "0", "7.0", "5."]

REPORTS = [
    # Templates as they stand, and what cleaning makes equal to them.
    "", " ", "x", "5", "‡", "Qq",
    "The pump squeezes well.",
    "the pump squeezes well.the pump squeezes well",
    "THE PUMP SQUEEZES WELL . THE PUMP SQUEEZES WELL.. THE PUMP SQUEEZES WELL...",
    "  The\tpump\n squeezes \r\n well.  ",
    "[The pump] squeezes ^well.",
    "The pump squeezes well.CRLFThe pump squeezes well.",
    "The upper chambers were normally sized.",
    "The upper chambers are normal sized.",
    "Doors and/or walls look healthy. Doors and walls look healthy.",
    "WASP was. THE UPPER CHAMBERS WERE NORMAL SIZED. wasWERE",
    "Flow in the pulmonary artery is calm. Flow in the PA is calm.",
    "Patient`s rhythm hops about. Patient's rhythm hops about.",
    # The longest phrase at the leftmost place.
    "The back door leaks.", "The back door leaks. And slams.", "The back door leaks. And creaks.",
    "The back door leaks. The back door leaks. And slams. And slams.",
    "xThe back door leaks. y", "The back door lleaks.", "The The back door leaks.",
    # Numbers.
    "It pumps out 12% of its fill.", "It pumps out 12.5 % of its fill.", "It pumps out 3.25% of its fill.",
    "It pumps out .5% of its fill.", "It pumps out 5.% of its fill.", "It pumps out 100% of its fill.",
    "It pumps out 101% of its fill.", "It pumps out 1000% of its fill.", "It pumps out 1,000% of its fill.",
    "It pumps out 0% of its fill.", "It pumps out 00% of its fill.", "It pumps out 05% of its fill.",
    "It pumps out 007% of its fill.", "It pumps out 20.0% of its fill.", "It pumps out 20.07% of its fill.",
    "It pumps out 1.2.3% of its fill.", "It pumps out 12345678901234567890.123456789% of its fill.",
    "It pumps out -12% of its fill.", "It pumps out +12% of its fill.", "It pumps out ٣٤% of its fill.",
    "It pumps out 1٣% of its fill.", "It pumps out ½% of its fill.", "It pumps out 5²% of its fill.",
    "It pumps out % of its fill.", "It pumps out five% of its fill.",
    "It pumps out 55-60% of its fill.", "It pumps out 55 - 60 % of its fill.", "It pumps out 55 to 60% of its fill.",
    "The stripe spans 2.0-2.5 cm.", "The stripe spans 2.0 - 2.5CM.", "The stripe spans 2.0-2.5-3.0 cm.",
    "The stripe spans 2-2 cm.", "The stripe spans 2.-2. cm.",
    "The hatch stands 4 mm wide at rest", "The hatch stands 4mm wide at rest and more",
    "Pressure 30 mmHg.", "Pressure 30 + CVPmmHg.", "Pressure 30+cvp mmhg.", "Pressure 30  MMHG .", "Pressure 30 mm hg.",
    "Pressure 30.", "Pressure is 30. 5 doors.", "Beat 12", "Beat 12 13 14", "Beat 12.", "12 beat 13",
    # Severities.
    "Mild backflow.", "Mildly backflow.", "Moderate backflow.", "Severe backflow.", "Severely backflow.",
    "Very severe backflow.", "Every severe backflow.", "Mild/moderate backflow.", "Moderate/severe backflow.",
    "Mild to moderate backflow.", "Mild/moderate/severe backflow.", "Trivial backflow.", "Milder backflow.",
    "There is moderately stiff skin with severe folds.", "There is mild stiff skin with 3 folds.",
    "There is 3.5 stiff skin with very severe folds.", "There is xmild stiff skin with severe folds.",
    "There is émild stiff skin with severe folds.", "There is 7mild stiff skin with severe folds.",
    # Variables of unknown phrases are passed over.
    "Nothing here is known.", "Nothing 5 here 6 is mild.", "Unknown 7. It pumps out 12% of its fill. Unknown mild 8.",
    "It pumps 7. Mild backflow. It pumps 8. Severe backflow.",
    "Score 1.25; 3 folds; mild backflow. Moderate backflow",
    "Mild x backflow. It pumps out 12% of its fill. x Severe",
    # Dates and codes.
    "Seen on 12/31/2020. The pump squeezes well.", "Seen 01.02.2021 The pump squeezes well.",
    "The pump squeezes 12/31/2020 well.", "Mild 12/31/2020 backflow. Mild 1/2/2020 backflow.",
    "I25.10 The pump squeezes well.", "I25.10The pump squeezes well.", "Beat I25.10A 12", "Beat A1.01/02/2003B",
    "Beat A1.2B3.4 5", "Beat I25. 12", "Beat I25.", "Beat i10.9_ 4", "Beat É10.9 4",
    # Periods.
    ".The pump squeezes well.", "3.The pump squeezes well.", "The pump squeezes well.3", "Beat .5.", "Beat 5..5",
    "Beat 5...", "Beat a.b.c.5.d", "Doors.and walls look healthy.",
    # Unicode.
    "THE PUMP SQUEEZES WELL.", "The pump squeezes well。 The pump squeezes well.",
    "The groß pump. The gross pump.", "Beat \x1c12\x1f", "Beat\xa012", "Beat 12‡13", "The​pump squeezes well.",
    "𝟙𝟚 Beat 𝟙𝟚", "❤ The pump squeezes well. ❤", "The pump squeezes well\u0301.", "wa\u0301s was\u0301 ⓐwasⓐ",
    "İT PUMPS OUT 3% OF ITS FILL.", "ŉ ǰ ΐ ﬁ ﬃ Beat 1",
    # Twice in the vocabulary; not a special token.
    "Rest easy. Rest easy.", "[UNK] [PAD] Rest easy.",
    # More ids than fit.
    "The pump squeezes well. " * 74, "The pump squeezes well. " * 75, "The pump squeezes well. " * 76,
    "It pumps out 12.5% of its fill. " * 40, "The stripe spans 2.0-2.5 cm. " * 12 + "Mild backflow. " * 9,
    "Unknown. " * 100, "Unknown 5. " * 100 + "Beat 5",
]


def upstream(folder: Path, vocabulary: Path):
    """Upstream's module, which reads its files from the working folder, with padding and cutting left out."""
    sys.path.insert(0, str(folder))
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(folder / "blank_wordpiece.tokenizer", work)
        shutil.copy(vocabulary, Path(work) / "template_vocab.txt")
        before = os.getcwd()
        os.chdir(work)
        sys.modules.pop("template_tokenizer", None)
        module = importlib.import_module("template_tokenizer")
        os.chdir(before)
    sys.path.pop(0)
    module.cut = module.pad_or_trunc
    module.pad_or_trunc = lambda tokens, length: tokens
    return module


def symbols(sentence: str, number: str | None = None) -> list[int]:
    parts = sentence.split(number) if number else [sentence]
    found = [ord(letter) for letter in parts[0]]
    for part in parts[1:]:
        found += [NUMBER, *map(ord, part)]
    return found


def fingerprint(found: list[int]) -> str:
    value = 0
    for symbol in found:
        value = (value * BASE + symbol + 1) % PRIME
    return f"Fingerprint {{ length: {len(found)}, hash: {value:#018x} }}"


def print_fingerprints(module):
    utils = sys.modules["utils"]
    sentences = re.findall(r"\(\?:(.*?)\)\(\?!\\?\.\)", utils.add_period.pattern)
    plain = [sentence.replace("(?:\\d+\\.?\\d*)", "\0") for sentence in sentences]
    plain = [re.sub(r"\\(.)", r"\1", sentence) for sentence in plain]
    # The end of another one adds nothing: that one finds the same place.
    plain = [sentence for sentence in plain if not any(s != sentence and sentence.endswith(s) for s in plain)]
    print(f"static PERIODS: [Fingerprint; {len(plain)}] = [")
    for sentence in plain:
        print(f"    {fingerprint(symbols(sentence, chr(0)))},")
    print(f"];\n\nstatic REWORDINGS: [Rewording; {len(module.replacements)}] = [")
    for old, new in module.replacements:
        steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        assert {step for step, *_ in steps} <= {"equal", "delete"}
        cut = ", ".join(f"({start}, {end})" for step, start, end, *_ in steps if step == "delete")
        print(f"    Rewording {{ from: {fingerprint(symbols(old))}, cut: &[{cut}] }},")
    print("];")


def checksum(ids: list[int]) -> str:
    """FNV-1a of the ids as 32-bit little-endian numbers."""
    value = 0xCBF29CE484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{value:#018x}"


def every_phrase(vocabulary: list[str], variables: list[str], ending: str | None) -> str:
    """A report of all phrases, holes filled, with the ending that they have or another, and an unknown one after each."""
    report, count = "", 0
    for phrase in vocabulary:
        while "<#>" in phrase:
            phrase = phrase.replace("<#>", variables[count % len(variables)], 1)
            count += 1
        phrase = phrase if ending is None else phrase.rstrip(" ").removesuffix(".") + ending
        report += f"{phrase} NO SUCH {count}, "
    return report


def other_wording(vocabulary: list[str]) -> str:
    """A sentence that upstream rewords, put together from two phrases."""
    phrase, other = vocabulary[66].replace("<#>", "3"), vocabulary[545]
    return f"{phrase[:22]}{other[16:34]} AND{phrase[22:58]},{phrase[58:]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fingerprints", action="store_true")
    arguments = parser.parse_args()
    own = upstream(arguments.folder, VOCABULARY)
    if arguments.fingerprints:
        print_fingerprints(own)
        return
    assert len(set(REPORTS)) == len(REPORTS)
    rows = []
    for text in REPORTS:
        ids = own.template_tokenize(text)
        rows.append({"text": text, "ids": ids})
        if len(ids) > 77:
            rows[-1]["within_77"] = own.cut(ids, 77)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (HERE.parent / "fixtures/template_tokenizer.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(rows)} reports; {own.EOS_token_id + 1} ids")
    real = upstream(arguments.folder, arguments.folder / "template_vocab.txt")
    reports = {
        "example": (arguments.folder / "example_report.txt").read_text(),
        "as they are": every_phrase(real.template_vocab, VARIABLES, None),
        "without period": every_phrase(real.template_vocab, NUMBERS, ""),
        "with a colon": every_phrase(real.template_vocab, NUMBERS, ":"),
        "other wording": other_wording(real.template_vocab),
    }
    for name, report in reports.items():
        ids = real.template_tokenize(report)
        within = real.cut(ids, 77)[: len(ids)]
        print(f"{name}: {len(ids)} ids, {checksum(ids)}; within 77: {checksum(within)}")


if __name__ == "__main__":
    main()
