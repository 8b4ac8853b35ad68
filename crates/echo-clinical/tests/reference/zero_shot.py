"""Writes fixtures/zero_shot.json: answers from similarities, computed by numpy from the description in `src/zero_shot.rs`.

    python zero_shot.py > ../fixtures/zero_shot.json

`tests/fixtures.rs` compares. Needs numpy; the numbers in the repository are of numpy 2.4.
"""

import json

import numpy as np

rng = np.random.default_rng(20240430)


def cosines(frames, prompts, digits=6):
    """Cosines of random embeddings that lean to one side, as those of CLIP do. Few digits make ties."""
    one, other = (rng.normal(size=(rows, 16)) + 0.4 for rows in (frames, prompts))
    one, other = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other))
    return np.round(one @ other.T, digits).astype(np.float32)


def regression(similarities, values):
    lists = np.array([values[np.argsort(-frame, kind="stable")] for frame in similarities])
    best = lists.mean(axis=0)[: int(0.2 * len(values))]
    return float(np.sort(best)[(len(best) - 1) // 2])


def binary(similarities):
    return float(similarities.astype(np.float64).mean())


def categorical(similarities, values):
    """Scores by grade, ascending."""
    return [binary(similarities[:, values == grade]) for grade in np.unique(values)]


def answers(videos, answer):
    return {
        "study": answer(np.concatenate(videos)),
        "videos": [answer(video) for video in videos],
        "frames": [[answer(frame[None]) for frame in video] for video in videos],
    }


def as_lists(videos):
    # The shortest decimal that is this float32.
    return [[[float(str(value)) for value in frame] for frame in video] for video in videos]


def regression_case(templates, first, last, frames, digits=6):
    values = np.tile(np.arange(first, last + 1, dtype=np.float64), templates)
    videos = [cosines(count, len(values), digits) for count in frames]
    return {
        "mode": "regression", "templates": templates, "range": [first, last], "similarities": as_lists(videos),
        **answers(videos, lambda video: regression(video, values)),
    }


def binary_case(prompts, frames):
    videos = [cosines(count, prompts) for count in frames]
    return {"mode": "binary", "prompts": prompts, "similarities": as_lists(videos), **answers(videos, binary)}


def categorical_case(values, frames, digits=6):
    """`values` ascend, as columns of categorical tasks do."""
    values = np.array(values)
    videos = [cosines(count, len(values), digits) for count in frames]
    return {
        "mode": "categorical", "values": values.tolist(), "similarities": as_lists(videos),
        **answers(videos, lambda video: categorical(video, values)),
    }


def threshold_case(rows, digits):
    """The best F1 of all thresholds, and the highest threshold that has it: every midpoint and the lowest score are tried."""
    truth = rng.random(rows) < 0.35
    truth[:2] = [True, False]
    scores = np.round(rng.normal(0.25, 0.05, rows) + 0.04 * truth, digits)
    distinct = np.unique(scores)
    tried = np.concatenate([distinct[:1], (distinct[1:] + distinct[:-1]) / 2])
    f1 = []
    for threshold in tried:
        called = scores >= threshold
        f1.append(2 * int((called & truth).sum()) / int(called.sum() + truth.sum()))
    best = max(place for place, value in enumerate(f1) if value == max(f1))
    return {"truth": truth.tolist(), "scores": scores.tolist(), "threshold": float(tried[best]), "f1": f1[best]}


print(json.dumps({
    "tasks": [
        regression_case(1, 0, 4, [1]),
        regression_case(2, 0, 100, [1, 3]),
        regression_case(3, -2, 7, [1, 4, 7]),
        regression_case(1, 1, 35, [5]),
        regression_case(2, 0, 19, [1, 6], digits=1),
        binary_case(1, [1]),
        binary_case(3, [5, 2]),
        categorical_case([0, 1, 2], [1]),
        categorical_case([1, 1, 2, 2, 2, 3], [4, 1]),
        categorical_case([1, 2, 3], [1, 1, 2], digits=1),
    ],
    "thresholds": [threshold_case(40, 6), threshold_case(41, 2), threshold_case(3, 3), threshold_case(60, 1)],
}))
