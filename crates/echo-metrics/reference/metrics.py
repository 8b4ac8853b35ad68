"""Writes golden.json: the metrics of formula-made ejection fractions by scikit-learn and SciPy.

    python metrics.py > golden.json

`tests/golden.rs` makes the same rows by the same formula and compares. Needs numpy, scipy and scikit-learn;
the numbers in the repository are of numpy 2.4, scipy 1.17 and scikit-learn 1.9.
"""

import json
import math

import numpy as np
from scipy import stats
from sklearn import metrics

RESAMPLES = 100_000
RANKS = {"0-30": (0, 30), "31-45": (31, 45), "46-55": (46, 55), "56-70": (56, 70), "71+": (71, math.inf)}


def rows(videos):
    """Only additions, products and floors, which every IEEE machine rounds alike. Half points make ties."""
    fraction = lambda x: x - math.floor(x)
    half = lambda x: math.floor(2.0 * x) / 2.0
    truth, first, second = [], [], []
    for i in range(videos):
        ef = 15.0 + 65.0 * fraction(0.6180339887498949 * i)
        truth.append(ef)
        first.append(half(20.0 + 0.7 * ef + 24.0 * (fraction(0.7548776662466927 * i) - 0.5)))
        second.append(half(18.0 + 0.7 * ef + 26.0 * (fraction(0.5698402909980532 * i) - 0.5)))
    return np.array(truth), np.array(first), np.array(second)


def values(truth, prediction):
    """By the libraries' own functions."""
    difference = prediction - truth
    limit = 1.96 * np.std(difference, ddof=1)
    result = {
        "mae": metrics.mean_absolute_error(truth, prediction),
        "rmse": metrics.root_mean_squared_error(truth, prediction),
        "r2": metrics.r2_score(truth, prediction),
        "pearson": stats.pearsonr(truth, prediction).statistic,
        "bias": np.mean(difference),
        "lower_limit": np.mean(difference) - limit,
        "upper_limit": np.mean(difference) + limit,
    }
    for below in (35, 40, 50):
        result[f"auc_below_{below}"] = metrics.roc_auc_score(truth < below, -prediction)
    for name, (first, last) in RANKS.items():
        inside = (np.floor(truth) >= first) & (np.floor(truth) <= last)
        result[f"mae_within_{name}"] = metrics.mean_absolute_error(truth[inside], prediction[inside])
    result["macro_mae"] = np.mean([result[f"mae_within_{name}"] for name in RANKS])
    return {key: float(value) for key, value in result.items()}


def vectorised():
    """The same metrics over the last axis, for scipy.stats.bootstrap; `main` checks them against `values`."""

    def mae(t, p, axis=-1):
        return np.abs(p - t).mean(axis)

    def rmse(t, p, axis=-1):
        return np.sqrt(((p - t) ** 2).mean(axis))

    def r2(t, p, axis=-1):
        return 1 - ((p - t) ** 2).sum(axis) / ((t - t.mean(axis, keepdims=True)) ** 2).sum(axis)

    def pearson(t, p, axis=-1):
        t, p = t - t.mean(axis, keepdims=True), p - p.mean(axis, keepdims=True)
        return (t * p).sum(axis) / np.sqrt((t**2).sum(axis) * (p**2).sum(axis))

    def auc(below):
        def area(t, p, axis=-1):
            positive = t < below
            n = positive.sum(axis)
            u = np.where(positive, stats.rankdata(-p, axis=axis), 0).sum(axis) - n * (n + 1) / 2
            return u / (n * (t.shape[axis] - n))

        return area

    def bias(t, p, axis=-1):
        return (p - t).mean(axis)

    def limit(sign):
        return lambda t, p, axis=-1: bias(t, p, axis) + sign * 1.96 * np.std(p - t, axis=axis, ddof=1)

    def within(first, last):
        def mae_within(t, p, axis=-1):
            inside = (np.floor(t) >= first) & (np.floor(t) <= last)
            return np.where(inside, np.abs(p - t), 0).sum(axis) / inside.sum(axis)

        return mae_within

    def macro_mae(t, p, axis=-1):
        return np.mean([within(*bounds)(t, p, axis) for bounds in RANKS.values()], axis=0)

    result = {"mae": mae, "macro_mae": macro_mae, "rmse": rmse, "r2": r2, "pearson": pearson, "bias": bias}
    result |= {"lower_limit": limit(-1), "upper_limit": limit(1)}
    result |= {f"auc_below_{below}": auc(below) for below in (35, 40, 50)}
    result |= {f"mae_within_{name}": within(*bounds) for name, bounds in RANKS.items()}
    return result


def bootstrap(statistic, *samples):
    """The percentile interval, and the standard deviation of the resampled values."""
    result = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, batch=1000, vectorized=True, paired=True,
        confidence_level=0.95, method="percentile", rng=np.random.default_rng(1),
    )
    return result


def main():
    cases = []
    for videos in (12, 200, 1277):
        truth, first, second = rows(videos)
        case = {"videos": videos, "values": values(truth, first)}
        for key, statistic in vectorised().items():
            assert abs(statistic(truth, first) - case["values"][key]) < 1e-12, key
        if videos == 200:
            case["intervals"] = {}
            for key, statistic in vectorised().items():
                result = bootstrap(statistic, truth, first)
                interval = result.confidence_interval
                case["intervals"][key] = [interval.low, interval.high, result.standard_error]
        if videos >= 200:
            gap = lambda t, a, b, axis=-1: (np.abs(a - t) - np.abs(b - t)).mean(axis)
            result = bootstrap(gap, truth, first, second)
            interval, resampled = result.confidence_interval, result.bootstrap_distribution
            tails = [np.count_nonzero(resampled <= 0), np.count_nonzero(resampled >= 0)]
            case["comparison"] = {
                "value": float(gap(truth, first, second)),
                "interval": [interval.low, interval.high, result.standard_error],
                "p": min(1.0, 2 * (min(tails) + 1) / (RESAMPLES + 1)),
            }
        cases.append(case)
    print(json.dumps(cases, indent=1, default=float))


main()
