"""Writes ../tests/fixtures/assets: the files that EchoPrime's inference reads beside its weights, small and made up.

    python zoo/echoprime/reference/assets.py

The formats are those that upstream's loading code expects (echo_prime/model.py and utils/utils.py, commit 45609cd);
numbers are random, and every word is our own. `expected.json` has what Python itself reads of them:

- `embeddings`: a checksum (FNV-1a, 64 bits) of the 32-bit floats, the shape, and the first values
- `labels`: for each phenotype of a section a label for each candidate, null where there is none
- `reports`: for each candidate its phrases as section, phrase, and the text of the value that fills a blank
- `section_phenotypes`: sections with their phenotypes, in order
- `studies`: embeddings of clips and their views, with the phenotypes (mean labels of the nearest candidates) and the
  report that numpy makes of them, by the method and, for phenotypes, as upstream's code numbers sections
"""

import json
import math
import pickle
import random
import struct
from pathlib import Path

import numpy as np
import torch

SEED = 1
FOLDER = Path(__file__).parent.parent / "tests/fixtures/assets"
# Of the two files of embeddings.
COUNTS = (24, 16)
DIM = 512
NEIGHBOURS = 7
VIEWS = ["A2C", "A3C", "A4C", "A5C", "Apical_Doppler", "Doppler_Parasternal_Long", "Doppler_Parasternal_Short",
         "Parasternal_Long", "Parasternal_Short", "SSN", "Subcostal"]
PHRASES = {
    "Left Ventricle": {
        "Size": ["Chamber of usual size.", "Chamber is <numerical> mm wide."],
        "Function": ["It pumps <numerical> % of its blood.", "It pumps as <string> as before."],
    },
    "Right Ventricle": {
        "All": ["No finding.", "A lead was seen by <string>.", "Pressure between <numerical> and <numerical>."],
    },
    "Aortic Valve": {"Leaflets": ["Three leaflets."], "Flow": ["Speed <numerical> m/s."]},
    "Pericardium": {"All": ["Dry, the <string> too."]},
    "Surgery": {"All": ["Never operated."]},
}
PHENOTYPES = {
    "Left Ventricle": ["ejection_fraction", "thick_wall"],
    "Aortic Valve": ["narrow_valve"],
    "Right Ventricle": ["lead", "pressure"],
}
# How `str` writes them decides what a report says.
VALUES = [55, 55.0, 62.5, -3, 0.1, 1e-5, 0.0001, 123456789.125, 1e16, 1e22, 2.5e-7, float("nan"), True, "well",
          "naïve", np.float64(41.7), np.float32(0.1), np.float32(3e-6), np.int64(12), np.str_("poorly")]


def checksum(values: np.ndarray) -> str:
    total = 0xCBF29CE484222325
    for byte in values.astype("<f4").tobytes():
        total = (total ^ byte) * 0x100000001B3 % 2**64
    return f"{total:016x}"


def embeddings(generator: np.random.Generator) -> np.ndarray:
    """The first part in 32 bits, the second in 16."""
    rows = generator.normal(size=(sum(COUNTS), DIM))
    rows = torch.tensor(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=torch.float32)
    first, second = rows[: COUNTS[0]].clone(), rows[COUNTS[0] :].half()
    torch.save(first, FOLDER / "candidate_embeddings_p1.pt")
    torch.save(second, FOLDER / "candidate_embeddings_p2.pt")
    return torch.cat((first, second.float())).numpy()


def label(choice: random.Random, phenotype: str):
    value = choice.choice([0, 1, 1.0, float("nan"), np.float64(choice.random())])
    return choice.uniform(10, 80) if phenotype in ("ejection_fraction", "pressure") else value


def reports(choice: random.Random) -> tuple[list, list]:
    """The file's content, and what is expected: the value counts where a phrase has a blank."""
    phrases = [[phrase for group in groups.values() for phrase in group] for groups in PHRASES.values()]
    blanks = [(section, phrase) for section, all_of in enumerate(phrases) for phrase, text in enumerate(all_of)
              if "<" in text]
    written, expected = [], []
    for candidate in range(sum(COUNTS)):
        report = []
        for section, all_of in enumerate(phrases):
            for phrase in sorted(choice.sample(range(len(all_of)), choice.randint(0, min(2, len(all_of))))):
                is_blank = "<" in all_of[phrase]
                report.append((section, phrase, choice.choice(VALUES if is_blank else ["", None, 0, []])))
        if candidate < len(VALUES):
            report.append((*blanks[candidate % len(blanks)], VALUES[candidate]))
        written.append(report)
        is_blank = lambda section, phrase: "<" in phrases[section][phrase]
        expected.append([[section, phrase, str(value) if is_blank(section, phrase) else ""]
                         for section, phrase, value in report])
    return written, expected


def nearest(clips: np.ndarray, views: list[int], weights: np.ndarray, rows: np.ndarray) -> list[int]:
    """Candidates, the most similar first, by clips that weigh what their views do in a section."""
    query = (weights[views, None] * clips).sum(axis=0)
    return np.argsort(-(rows.astype(np.float64) @ (query / np.linalg.norm(query))), kind="stable").tolist()


def section_text(report: list, section: int) -> str | None:
    """The section's first phrases that follow each other, with their blanks filled."""
    phrases = [phrase for group in list(PHRASES.values())[section].values() for phrase in group]
    places = [place for place, (of, _, _) in enumerate(report) if of == section]
    if not places:
        return None
    text = []
    for of, phrase, value in report[places[0] :]:
        if of != section:
            break
        blank = "<numerical>" if "<numerical>" in phrases[phrase] else "<string>"
        text.append(phrases[phrase].replace(blank, value))
    return " ".join(text).strip()


def studies_of(generator: np.random.Generator, rows: np.ndarray, weights: dict, labels: dict, reports: list) -> list:
    """`labels`: for each phenotype those of all candidates, NaN where there is none."""
    studies = []
    for views in ([2], [0, 2, 2, 7, 10], [int(view) for view in generator.integers(0, len(VIEWS), 30)]):
        clips = generator.normal(size=(len(views), DIM)).round(2).astype(np.float32)
        ranked = {section: nearest(clips, views, of_views, rows) for section, of_views in weights.items()}
        phenotypes, upstream = {}, {}
        for number, (section, of_section) in enumerate(PHENOTYPES.items()):
            for found, ranking in ((phenotypes, ranked[section]), (upstream, list(ranked.values())[number])):
                for phenotype in of_section:
                    near = [labels[phenotype][candidate] for candidate in ranking[:NEIGHBOURS]]
                    near = [label for label in near if not math.isnan(label)]
                    found[phenotype] = sum(near) / len(near) if near else None
        report = {}
        for section, ranking in ranked.items():
            texts = ((candidate, section_text(reports[candidate], list(PHRASES).index(section))) for candidate in ranking)
            report[section] = next(([candidate, text] for candidate, text in texts if text), None)
        studies.append({"views": views, "clips": [round(float(value), 2) for value in clips.ravel()], "phenotypes": phenotypes,
                        "upstream": upstream, "report": report})
    return studies


def main():
    choice, generator = random.Random(SEED), np.random.default_rng(SEED)
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = embeddings(generator)
    studies = [f"study-{number:03}" for number in range(sum(COUNTS))]
    # A study may appear twice, and its key may hold anything.
    studies[7], studies[9] = studies[3], 'a "key", quoted'
    quoted = ['"' + study.replace('"', '""') + '"' if '"' in study else study for study in studies]
    lines = ["number,Study"] + [f"{number},{study}" for number, study in enumerate(quoted)]
    (FOLDER / "candidate_studies.csv").write_text("\n".join(lines) + "\n")

    phenotypes = [phenotype for of_section in PHENOTYPES.values() for phenotype in of_section]
    labels = {phenotype: {study: label(choice, phenotype) for study in dict.fromkeys(studies) if choice.random() < 0.8}
              for phenotype in [*phenotypes, "of no section"]}
    labels["lead"]["of no candidate"] = 1
    pickle.dump(labels, (FOLDER / "candidate_labels.pkl").open("wb"), 4)
    of_study = lambda phenotype, study: float(labels[phenotype].get(study, math.nan))
    number = lambda value: None if math.isnan(value) else struct.unpack("f", struct.pack("f", value))[0]

    written, expected_reports = reports(choice)
    pickle.dump(written, (FOLDER / "candidate_reports.pkl").open("wb"), 5)
    pickle.dump(PHENOTYPES, (FOLDER / "section_to_phenotypes.pkl").open("wb"), 5)
    (FOLDER / "all_phr.json").write_text(json.dumps(PHRASES, indent=1))
    weights = {section: [f"{choice.random():.7f}" for _ in VIEWS] for section in list(PHRASES)[:-1]}
    lines = [",".join(["Section", *VIEWS])] + [",".join([section, *row]) for section, row in weights.items()]
    (FOLDER / "MIL_weights.csv").write_text("\n".join(lines) + "\n")
    weights = {section: np.array(row, dtype=np.float32) for section, row in weights.items()}
    (FOLDER / "roc_thresholds.csv").write_text(",feature,threshold\n0,lead,0.1\n1,narrow_valve,0.78\n")

    all_labels = {phenotype: [of_study(phenotype, study) for study in studies] for phenotype in phenotypes}
    expected = {
        "embeddings": {"checksum": checksum(rows), "shape": list(rows.shape), "first": [float(x) for x in rows[0, :3]]},
        "labels": {phenotype: [number(label) for label in of_phenotype] for phenotype, of_phenotype in all_labels.items()},
        "reports": expected_reports,
        "section_phenotypes": [[section, of_section] for section, of_section in PHENOTYPES.items()],
        "studies": studies_of(generator, rows, weights, all_labels, expected_reports),
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected))
    print(f"{FOLDER}: {sum(file.stat().st_size for file in FOLDER.iterdir())} bytes")


if __name__ == "__main__":
    main()
