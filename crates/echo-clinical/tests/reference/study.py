"""Writes fixtures/study.json: phenotypes and reports of studies, computed by numpy from the description in `src/study.rs`.

    python study.py > ../fixtures/study.json

`tests/fixtures.rs` compares. Needs numpy; the numbers in the repository are of numpy 2.4.
"""

import json

import numpy as np

rng = np.random.default_rng(2410_09704)

SECTIONS = ["Left Ventricle", "Wall Motion", "Right Ventricle", "Septum", "Aorta", "Pericardium", "IVC"]
VIEWS = ["A2C", "A4C", "PLAX", "PSAX", "SSN"]
# In another order and without two sections, as upstream's.
PHENOTYPES = {"Left Ventricle": ["ef", "pump"], "Right Ventricle": ["lead"], "IVC": ["dilated_ivc"], "Aorta": ["root", "never"]}


def number(values):
    """float32 with six digits, so that JSON and CSV hold it exactly."""
    return np.round(values, 6).astype(np.float32)


def table(weights):
    rows = [[section, *map(str, row)] for section, row in zip(SECTIONS, weights)]
    return "\n".join(",".join(row) for row in [["Section", *VIEWS], *rows]) + "\n"


def ranking(clips, views, weights, candidates):
    """Candidates by similarity, the first of equal ones first, and their similarities; None without any weight."""
    total = (clips.astype(np.float64) * weights[views, None]).sum(axis=0)
    if not total.any():
        return None
    similarities = candidates.astype(np.float64) @ (total / np.sqrt((total**2).sum()))
    return np.argsort(-similarities, kind="stable"), similarities


def phenotypes(rankings, labels, neighbours, upstream):
    predicted = []
    for place, (section, names) in enumerate(PHENOTYPES.items()):
        ranked = rankings[place if upstream else SECTIONS.index(section)]
        for name in names:
            near = labels[name][ranked[0][:neighbours]] if ranked else np.array([])
            near = near[~np.isnan(near)].astype(np.float64)
            predicted.append({"name": name, "value": near.mean() if len(near) else None, "labelled": len(near)})
    return predicted


def report(rankings, texts):
    """`texts[candidate]` holds the sections of its report."""
    sections = []
    for section, ranked in zip(SECTIONS, rankings):
        found = next((at for at in ranked[0] if section in texts[at]), None) if ranked else None
        sections.append(None if found is None else {
            "candidate": int(found), "text": texts[found][section], "similarity": ranked[1][found],
        })
    return sections


def case(count, dim, views, neighbours):
    weights = number(rng.random((len(SECTIONS), len(VIEWS))) * (rng.random((len(SECTIONS), len(VIEWS))) > 0.2))
    weights[SECTIONS.index("Right Ventricle")] = 0.0
    views = np.array(views)
    clips = number(rng.normal(0.3, 1.0, (len(views), dim)))
    candidates = rng.normal(0.2, 1.0, (count, dim))
    candidates = number(candidates / np.linalg.norm(candidates, axis=1, keepdims=True))
    # The same twice, where the better one would be later.
    candidates[count // 2 :: 5] = candidates[0]
    texts = [
        {section: f"{section.lower()} of {at}." for section in SECTIONS if section != "Septum" and rng.random() < 0.4}
        for at in range(count)
    ]
    labels = {name: number(rng.integers(0, 2, count)) for names in PHENOTYPES.values() for name in names}
    labels["ef"] = number(rng.uniform(15, 75, count))
    for row in labels.values():
        row[rng.random(count) < 0.3] = np.nan
    labels["never"][:] = np.nan
    rankings = [ranking(clips, views, row, candidates) for row in weights]
    as_list = lambda row: [None if np.isnan(value) else float(str(value)) for value in row]
    return {
        "weights": table(weights),
        "dim": dim,
        "views": views.tolist(),
        "clips": as_list(clips.ravel()),
        "candidates": as_list(candidates.ravel()),
        "reports": [" ".join(f"{section}: {text} [SEP]" for section, text in of.items()) for of in texts],
        "sections": list(PHENOTYPES.items()),
        "labels": {name: as_list(row) for name, row in labels.items()},
        "neighbours": neighbours,
        "phenotypes": phenotypes(rankings, labels, neighbours, upstream=False),
        "upstream_phenotypes": phenotypes(rankings, labels, neighbours, upstream=True),
        "report": report(rankings, texts),
    }


print(json.dumps([
    case(60, 19, [0, 1, 1, 2, 3, 3, 4, 1], 50),
    case(40, 8, [3, 2, 0], 7),
    case(9, 5, [4], 1),
    case(12, 16, [1, 1], 12),
]))
