"""Writes fixtures/retrieval.json: ranks and what is computed of them, by numpy from the description in `src/retrieval.rs`.

    python retrieval.py > ../fixtures/retrieval.json

`tests/fixtures.rs` compares. Needs numpy; the numbers in the repository are of numpy 2.4.
"""

import json

import numpy as np

rng = np.random.default_rng(11)


def case(queries, items, digits):
    """Few digits make ties."""
    correct = rng.integers(0, items, queries)
    similarities = rng.normal(0, 0.2, (queries, items))
    similarities[np.arange(queries), correct] += 0.3
    similarities = np.round(similarities, digits).astype(np.float32)
    # Sorted such that the correct item comes last of those with its similarity.
    ranks, lists = [], []
    for row, item in zip(similarities, correct):
        order = sorted(range(items), key=lambda at: (-row[at], at == item))
        ranks.append(order.index(item) + 1)
        lists.append(order)
    return {
        "items": items,
        "correct": correct.tolist(),
        "similarities": [float(str(value)) for value in similarities.ravel()],
        "lists": lists,
        "ranks": ranks,
        "recall": {k: float(np.mean(np.array(ranks) <= k)) for k in (1, 5, 10)},
        "median": float(np.median(ranks)),
        "mean_reciprocal": float(np.mean(1 / np.array(ranks))),
    }


print(json.dumps([case(30, 25, 6), case(31, 12, 1), case(1, 1, 3), case(2, 40, 2)]))
