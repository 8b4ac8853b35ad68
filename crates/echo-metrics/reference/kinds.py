"""Writes kinds.json: random cases of every kind of task with the metrics that scikit-learn and SciPy give.

    python kinds.py > kinds.json

`tests/kinds.rs` reads rows and numbers from there. Needs numpy, scipy and scikit-learn; the numbers in the repository
are of numpy 2.4, scipy 1.17 and scikit-learn 1.9. `null` stands where we call a metric undefined.
"""

import json

import numpy as np
from scipy import stats
from sklearn import calibration, metrics

RESAMPLES = 20_000


def of_regression(case):
    truth, prediction = np.array(case["truth"]), np.array(case["prediction"])
    mae = metrics.mean_absolute_error(truth, prediction)
    constant = len(set(truth)) == 1 or len(set(prediction)) == 1
    return {
        "mae": mae,
        "nmae": mae / np.abs(truth).mean(),
        "rmse": metrics.root_mean_squared_error(truth, prediction),
        "r2": metrics.r2_score(truth, prediction) if len(set(truth)) > 1 else None,
        "pearson": None if constant else stats.pearsonr(truth, prediction).statistic,
        "spearman": None if constant else stats.spearmanr(truth, prediction).statistic,
    }


def of_binary(case):
    truth, probability = np.array(case["truth"]), np.array(case["probability"])
    predicted = probability >= case["threshold"]
    both, some = len(set(truth)) == 2, truth.any()
    predictive = lambda side: (
        metrics.precision_score(truth, predicted, pos_label=side) if (predicted == side).any() else None
    )
    share, mean = calibration.calibration_curve(truth, probability, n_bins=15)
    # Bins hold their upper edge; no probability of these cases lies on one but 0 and 1.
    rows = np.histogram(probability, bins=np.linspace(0, 1, 16))[0]
    return {
        "auroc": metrics.roc_auc_score(truth, probability) if both else None,
        "auprc": metrics.average_precision_score(truth, probability) if some else None,
        "sensitivity": metrics.recall_score(truth, predicted) if some else None,
        "specificity": metrics.recall_score(truth, predicted, pos_label=False) if not truth.all() else None,
        "ppv": predictive(True),
        "npv": predictive(False),
        "f1": metrics.f1_score(truth, predicted) if some else None,
        "brier": metrics.brier_score_loss(truth, probability, labels=[False, True]),
        "ece": (rows[rows > 0] * np.abs(share - mean)).sum() / len(truth),
    }


def youden(case):
    false_positives, true_positives, thresholds = metrics.roc_curve(
        case["truth"], case["probability"], drop_intermediate=False
    )
    # The first threshold is infinite: nothing is positive.
    best = 1 + np.argmax(np.round(true_positives - false_positives, 12)[1:])
    return thresholds[best : best + 2].mean()


def of_single_label(case):
    truth, probabilities = np.array(case["truth"]), np.array(case["probabilities"])
    predicted, names = probabilities.argmax(1), case["classes"]
    present = sorted(set(truth))
    areas = [metrics.roc_auc_score(truth == c, probabilities[:, c]) for c in present if (truth != c).any()]
    result = {
        "balanced_accuracy": metrics.recall_score(truth, predicted, labels=present, average="macro")
        if len(present) > 1
        else None,
        "accuracy": metrics.accuracy_score(truth, predicted),
        "macro_f1": metrics.f1_score(truth, predicted, average="macro"),
        "macro_auroc": np.mean(areas) if areas else None,
    }
    if len(present) == len(names):
        assert np.isclose(result["balanced_accuracy"], metrics.balanced_accuracy_score(truth, predicted))
        area = metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
        assert np.isclose(result["macro_auroc"], area)
    for c, name in enumerate(names):
        recall = metrics.recall_score(truth, predicted, labels=[c], average="macro")
        result[f"recall_{name}"] = recall if c in present else None
    return result


def of_ordinal(case):
    truth, predicted = np.array(case["truth"]), np.array(case["probabilities"]).argmax(1)
    labels = range(len(case["classes"]))
    return {
        "quadratic_kappa": metrics.cohen_kappa_score(truth, predicted, labels=labels, weights="quadratic"),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "within_one": metrics.accuracy_score(np.zeros_like(truth), np.abs(truth - predicted) > 1),
    }


def of_multi_label(case):
    result, areas = {}, []
    for label, name in enumerate(case["classes"]):
        known = [(t[label], p[label]) for t, p in zip(case["truth"], case["probabilities"]) if t[label] is not None]
        truth, probability = zip(*known) if known else ((), ())
        area = metrics.roc_auc_score(truth, probability) if len(set(truth)) == 2 else None
        result[f"label_auroc_{name}"] = area
        areas += [area] if area is not None else []
    return {"mean_auroc": np.mean(areas)} | result


def by_patient(case, rng):
    """The percentile interval of the AUROC when patients are drawn with all of their rows."""
    truth, probability, patients = (np.array(case[key]) for key in ("truth", "probability", "patients"))
    rows = [np.flatnonzero(patients == patient) for patient in dict.fromkeys(case["patients"])]
    areas = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[at] for at in rng.integers(len(rows), size=len(rows))])
        if len(set(truth[drawn])) == 2:
            areas.append(metrics.roc_auc_score(truth[drawn], probability[drawn]))
    low, high = np.quantile(areas, [0.025, 0.975])
    return [low, high, np.std(areas)]


def softmax(logits):
    exponents = np.exp(logits)
    return exponents / exponents.sum(1, keepdims=True)


def main():
    rng = np.random.default_rng(13)
    thirty_seconds = lambda values: np.clip(np.round(np.asarray(values) * 32) / 32, 0, 1)
    cases = []

    for rows, rounded in ((50, True), (9, False)):
        truth = rng.normal(55, 12, rows)
        prediction = truth + rng.normal(2, 8, rows)
        truth, prediction = (np.round(v / 5) * 5 if rounded else v for v in (truth, prediction))
        cases.append({"kind": "regression", "truth": truth, "prediction": prediction})
    cases.append({"kind": "regression", "truth": truth, "prediction": np.full(9, 60.0)})

    for rows, prevalence, threshold in ((60, 0.3, 0.5), (200, 0.1, 0.25), (12, 0.5, 0.0), (30, 0.5, 1.0)):
        truth = rng.random(rows) < prevalence
        probability = 1 / (1 + np.exp(-rng.normal(2 * truth - 1.5, 1.5)))
        cases.append({"kind": "binary", "truth": truth, "threshold": threshold,
                      "probability": thirty_seconds(probability) if rows != 200 else probability})
    cases.append({"kind": "binary", "truth": [True] * 5, "threshold": 0.5, "probability": [0.1, 0.5, 0.5, 0.7, 1.0]})
    cases.append({"kind": "binary", "truth": [False] * 4, "threshold": 0.5, "probability": [0.1, 0.5, 0.5, 0.0]})
    heart = rng.normal(0, 1.5, 40)
    patients = rng.integers(40, size=160)
    truth = rng.random(160) < 1 / (1 + np.exp(-2 * heart[patients]))
    probability = 1 / (1 + np.exp(-heart[patients] - rng.normal(0, 1, 160)))
    cases.append({"kind": "binary", "truth": truth, "threshold": 0.5, "probability": probability,
                  "patients": [str(patient) for patient in patients]})

    for rows, classes, absent in ((80, 4, None), (40, 3, 1), (10, 3, None)):
        truth = rng.integers(classes, size=rows)
        truth = np.where(truth == absent, 0, truth)
        probabilities = softmax(2 * np.eye(classes)[truth] * (rng.random((rows, 1)) < 0.7) + rng.normal(0, 1, (rows, classes)))
        if rows == 10:
            # Ties of probabilities, and so of classes.
            probabilities = np.array([[0.25, 0.5, 0.25], [0.25, 0.375, 0.375], [0.5, 0.5, 0.0]])[rng.integers(3, size=rows)]
        names = [f"view {c}" for c in range(classes)]
        for kind in ("single-label", "ordinal"):
            cases.append({"kind": kind, "classes": names, "truth": truth, "probabilities": probabilities})

    truth = rng.random((60, 4)) < [0.5, 0.2, 0.05, 0.0]
    probabilities = thirty_seconds(1 / (1 + np.exp(-rng.normal(2 * truth - 1, 1.5))))
    known = rng.random((60, 4)) < [1.0, 0.6, 0.9, 0.8]
    truth = [[bool(t) if k else None for t, k in zip(*row)] for row in zip(truth, known)]
    cases.append({"kind": "multi-label", "classes": ["effusion", "mr_severe", "clot", "vsd"], "truth": truth,
                  "probabilities": probabilities})

    values = {"regression": of_regression, "binary": of_binary, "single-label": of_single_label,
              "ordinal": of_ordinal, "multi-label": of_multi_label}
    for case in cases:
        case["values"] = values[case["kind"]](case)
        if case["kind"] == "binary" and len(set(case["truth"])) == 2:
            case["youden"] = youden(case)
        if "patients" in case:
            case["by_patient"] = by_patient(case, rng)
    lines = (json.dumps(case, default=lambda one: one.tolist()) for case in cases)
    print("[\n" + ",\n".join(lines) + "\n]")


main()
