#!/usr/bin/env python3
"""Known answers for the probes and statistics of node/evaluate, from scikit-learn and scipy.

    pip install numpy scipy scikit-learn
    python3 scripts/make-evaluate-vectors.py        # writes test/vectors/evaluate.json, the same bytes every time
"""
import json
import pathlib

import numpy as np
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "vectors"


def coarse(a):
    """Multiples of 1/1024: exact in float32 and short in JSON."""
    return np.round(np.asarray(a) * 1024) / 1024


def blobs(random, rows, columns, classes, apart):
    labels = np.arange(rows) % classes
    centres = apart * random.standard_normal((classes, columns))
    return coarse(centres[labels] + random.standard_normal((rows, columns))), labels


def matrix(m):
    return {"rows": m.shape[0], "columns": m.shape[1], "data": m.ravel().tolist()}


def ridge_cases(random):
    """One-hot ridge with intercept; the strength is `multiple` times trace / min(n, m) of the centred rows."""
    cases = []
    for rows, columns, classes, multiple in [(120, 8, 3, 0.01), (60, 90, 4, 0.1), (200, 24, 10, 1.0)]:
        x, labels = blobs(random, rows, columns, classes, 0.8)
        test, _ = blobs(random, 20, columns, classes, 0.8)
        centred = x - x.mean(axis=0)
        alpha = multiple * np.sum(centred**2) / min(x.shape)
        model = Ridge(alpha=alpha, solver="svd").fit(x, np.eye(classes)[labels])
        cases.append({
            "x": matrix(x), "labels": labels.tolist(), "classes": classes, "multiple": multiple,
            "test": matrix(test), "outputs": matrix(model.predict(test)),
        })
    return cases


def logistic_cases(random):
    """The objective C sum(-log p) + |W|^2 / 2 at its minimum, and the classes that it predicts."""
    cases = []
    for rows, columns, classes, c in [(120, 6, 3, 1.0), (90, 12, 4, 0.01), (150, 10, 2, 10.0)]:
        x, labels = blobs(random, rows, columns, classes, 0.6)
        test, _ = blobs(random, 40, columns, classes, 0.6)
        if classes > 2:
            model = LogisticRegression(C=c, solver="newton-cg", tol=1e-12, max_iter=10_000).fit(x, labels)
            weights, intercepts = model.coef_, model.intercept_
        else:
            # scikit-learn gives two classes one output w: softmax with w/2 and -w/2 is the same model with half its penalty
            model = LogisticRegression(C=2 * c, solver="newton-cg", tol=1e-12, max_iter=10_000).fit(x, labels)
            weights = np.vstack([-model.coef_ / 2, model.coef_ / 2])
            intercepts = np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2])
        z = x @ weights.T + intercepts
        z = z - z.max(axis=1, keepdims=True)
        losses = np.log(np.exp(z).sum(axis=1)) - z[np.arange(rows), labels]
        cases.append({
            "x": matrix(x), "labels": labels.tolist(), "classes": classes, "c": c,
            "loss": c * losses.sum() + np.sum(weights**2) / 2,
            "test": matrix(test), "predicted": model.predict(test).tolist(),
        })
    return cases


def neighbour_cases(random):
    """Majority of the nearest by cosine; odd counts of two classes, so that no vote is a tie."""
    x, labels = blobs(random, 80, 5, 2, 0.7)
    test, _ = blobs(random, 30, 5, 2, 0.7)
    votes = [
        {"k": k, "predicted": KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(x, labels).predict(test).tolist()}
        for k in (1, 5, 15)
    ]
    return {"x": matrix(x), "labels": labels.tolist(), "test": matrix(test), "votes": votes}


def spearman_cases(random):
    pairs = [
        ([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 7, 5]),
        ([1, 2, 2, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 5]),
        ([0.5, -1.25, 3.75, 0.5], [10, 20, -30, 10]),
        (random.standard_normal(40).tolist(), random.standard_normal(40).tolist()),
        (random.integers(0, 6, 100).tolist(), random.integers(0, 6, 100).tolist()),
    ]
    trend = np.arange(30)
    pairs.append((trend.tolist(), (trend + 4 * random.standard_normal(30)).tolist()))
    return [{"x": x, "y": y, "rho": spearmanr(x, y).statistic, "p": spearmanr(x, y).pvalue} for x, y in pairs]


def variation_cases(random):
    """2a - 1 of one classifier (ridge on standardised rows and given Fourier features) on one split: fit, then test."""
    cases = []
    for columns, scale, shift in [(6, 1.0, 0.0), (6, 0.6, 0.0), (4, 1.0, 0.5)]:
        rows = coarse(np.vstack([
            random.standard_normal((100, columns)), scale * random.standard_normal((100, columns)) + shift,
        ]))
        labels = np.repeat([0, 1], 100)
        order = random.permutation(200)
        fit, test = order[:150], order[150:]
        directions = coarse(random.standard_normal((8, columns)) / np.sqrt(2 * columns))
        mean, deviation = rows[fit].mean(axis=0), rows[fit].std(axis=0)
        z = (rows - mean) / deviation
        angles = z @ directions.T
        weight = np.sqrt(columns / 8)
        expanded = np.hstack([z, weight * np.cos(angles), weight * np.sin(angles)])
        centred = expanded[fit] - expanded[fit].mean(axis=0)
        alpha = 0.1 * np.sum(centred**2) / min(expanded[fit].shape)
        predicted = Ridge(alpha=alpha, solver="svd").fit(expanded[fit], labels[fit]).predict(expanded[test]) > 0.5
        cases.append({
            "rows": matrix(rows), "labels": labels.tolist(), "fit": fit.tolist(), "test": test.tolist(),
            "directions": matrix(directions), "predicted": predicted.astype(int).tolist(),
        })
    return cases


def main():
    random = np.random.default_rng(2505)
    known = {
        "ridge": ridge_cases(random), "logistic": logistic_cases(random), "neighbours": neighbour_cases(random),
        "spearman": spearman_cases(random), "variation": variation_cases(random),
    }
    (OUT / "evaluate.json").write_text(json.dumps(known, separators=(",", ":")) + "\n")


main()
