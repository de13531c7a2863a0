#!/usr/bin/env python3
"""Known answers for the mathematics in src/, from an independent implementation.

Nothing here shares code or method with src/: hashlib for the random stream, numpy's QR for the projection, scipy's pdist for the uniform
value, one scikit-learn refit per left-out row for the alignment, scikit-learn's Ridge, r2_score and NearestNeighbors for the gate and for
predictivity, singular values for the effective rank, a covariance's trace for the weights of rows, an explicit quadratic form for what noise gets by chance.

    pip install numpy scipy scikit-learn
    python3 scripts/make-vectors.py        # writes test/vectors/*.json, the same bytes every time
"""
import base64
import hashlib
import json
import pathlib
import struct

import numpy as np
import scipy.linalg
from scipy.spatial.distance import cdist, pdist
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.neighbors import NearestNeighbors

OUT = pathlib.Path(__file__).resolve().parent.parent / "test" / "vectors"
NUMPY_SEED = 2505


class Stream:
    """SHAKE256 over length-prefixed parts, read as little-endian uint32."""

    def __init__(self, *parts):
        message = b""
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            message += struct.pack("<I", len(data)) + data
        self.bytes = hashlib.shake_256(message).digest(1 << 18)
        self.at = 0

    def uint32(self):
        self.at += 4
        return struct.unpack_from("<I", self.bytes, self.at - 4)[0]

    def uniform(self):
        high = self.uint32() >> 5
        return (high * 2**26 + (self.uint32() >> 6)) / 2**53

    def below(self, n):
        limit = 2**32 - 2**32 % n
        while (value := self.uint32()) >= limit:
            pass
        return value % n

    def shuffle(self, n):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order


def coarse(a):
    """Multiples of 1/1024: exact in float32 and short in JSON."""
    return np.round(np.asarray(a) * 1024) / 1024


def unit(a):
    a = a - a.mean(axis=0)
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def halves(seed, m):
    order = Stream("coopt/1/halves", seed).shuffle(m)
    return order[: m // 2], order[m // 2 :]


def ridge_model(x, multiple):
    centred = x - x.mean(axis=0)
    return Ridge(alpha=multiple * np.sum(centred**2) / min(x.shape), solver="svd")


def held_out_r2(x, y, fit, test, multiple):
    model = ridge_model(x[fit], multiple).fit(x[fit], y[fit])
    return r2_score(y[test], model.predict(x[test]), multioutput="variance_weighted")


def random_vectors():
    cases = []
    for parts in (["coopt/test"], ["a", "bc"], ["ab", "c"], ["", ""]):
        s = Stream(*parts)
        case = {"parts": parts, "uint32": [s.uint32() for _ in range(4)], "uniform": [s.uniform() for _ in range(4)]}
        case["below"] = [[n, s.below(n)] for n in (1, 2, 3, 10, 1000, 2**31 + 1, 2**31 + 1, 2**32)]
        case["shuffle"] = s.shuffle(12)
        cases.append(case)
    late = Stream("late")
    return {"cases": cases, "late": {"parts": ["late"], "skip": 5000, "uint32": [late.uint32() for _ in range(5001)][-1]}}


def projection_vectors():
    digest = hashlib.sha256(b"a swarm").digest()
    cid = bytes([1, 0x55, 0x12, 32]) + digest
    text = "b" + base64.b32encode(cid).decode().lower().rstrip("=")
    cases = []
    for l, n in ((1, 1), (1, 4), (4, 1), (3, 5), (8, 8), (12, 5), (20, 48), (48, 20)):
        s = Stream("coopt/1/projection", cid, struct.pack("<I", l), struct.pack("<I", n))
        a = np.array([[2 * s.uniform() - 1 for _ in range(min(l, n))] for _ in range(max(l, n))])
        q, r = np.linalg.qr(a)
        q = q * np.sign(np.diag(r))
        w = q if n >= l else np.sqrt(l / n) * q.T
        cases.append({"l": l, "n": n, "w": w.ravel().tolist()})
    return {"swarm": text, "cases": cases}


def uniformity_vectors(rng):
    cases = []
    for m, n in ((2, 3), (5, 2), (40, 8), (64, 16)):
        y = coarse(rng.normal(size=(m, n)) + 0.5)
        values = []
        for t in (0.5, 2, 4):
            for centred in (False, True):
                z = y - y.mean(axis=0) if centred else y
                z = z / np.linalg.norm(z, axis=1, keepdims=True)
                values.append({"t": t, "centred": centred, "value": float(np.log(np.mean(np.exp(-t * pdist(z) ** 2))))})
        cases.append({"rows": m, "columns": n, "targets": y.ravel().tolist(), "values": values})
    return {"cases": cases}


def ridge_vectors(rng):
    cases = []
    grid = [0.001, 0.01, 0.1, 1]
    for m, n, q in ((30, 6, 5), (16, 24, 4), (12, 12, 3), (50, 10, 12)):
        hidden = rng.normal(size=(m, 4))
        x = coarse(np.maximum(hidden @ rng.normal(size=(4, n)), 0) + 0.2 * rng.normal(size=(m, n)))
        y = coarse(np.maximum(hidden @ rng.normal(size=(4, q)), 0) + 0.2 * rng.normal(size=(m, q)) + 1)
        unit_strength = np.sum((x - x.mean(axis=0)) ** 2) / min(m, n)
        best = None
        for multiple in grid:
            predicted = np.zeros_like(y)
            for i in range(m):
                rest = np.arange(m) != i
                predicted[i] = Ridge(alpha=multiple * unit_strength, solver="svd").fit(x[rest], y[rest]).predict(x[i : i + 1])[0]
            error = np.sum((y - predicted) ** 2)
            if best is None or error < best[0]:
                best = (error, multiple, predicted)
        error, multiple, predicted = best
        model = Ridge(alpha=multiple * unit_strength, solver="svd").fit(x, y)
        cosine = np.sum(y * predicted, axis=1) / np.linalg.norm(y, axis=1) / np.linalg.norm(predicted, axis=1)
        cases.append(
            {
                "rows": m,
                "from": {"columns": n, "data": x.ravel().tolist()},
                "to": {"columns": q, "data": y.ravel().tolist()},
                "grid": grid,
                "lambda": multiple * unit_strength,
                "looR2": float(1 - error / np.sum((y - y.mean(axis=0)) ** 2)),
                "looCosine": float(cosine.mean()),
                "map": model.coef_.T.ravel().tolist(),
                "offset": model.intercept_.tolist(),
            }
        )
    return {"cases": cases}


def gate_vectors(rng):
    cases = []
    for m, n, d, k, ridge in ((60, 8, 6, 3, 0.3), (48, 24, 30, 5, 1.0), (90, 12, 20, 5, 0.03)):
        seed = bytes([m, n] * 16)
        hidden = rng.normal(size=(m, 4))
        features = coarse(np.maximum(hidden @ rng.normal(size=(4, d)), 0) + 0.1 * rng.normal(size=(m, d)))
        for kind in ("related", "noise"):
            y = np.maximum(hidden @ rng.normal(size=(4, n)), 0) + 0.1 * rng.normal(size=(m, n))
            y = coarse(y if kind == "related" else rng.normal(size=(m, n)))
            u, f = unit(y), unit(features)
            fit, test = halves(seed, m)

            def neighbours(z):
                found = NearestNeighbors(n_neighbors=k + 1).fit(z[test]).kneighbors(z[test], return_distance=False)
                return [set(row[1:]) for row in found]

            overlap = np.mean([len(a & b) / k for a, b in zip(neighbours(u), neighbours(f))])
            values = np.linalg.svd(u, compute_uv=False) ** 2
            # predictions of unit vectors are the weights themselves; then the quadratic forms, written out
            weights = ridge_model(f[fit], ridge).fit(f[fit], np.eye(len(fit))).predict(f[test])
            residual = np.hstack([weights, -np.eye(len(test))])
            total = np.zeros((m, m))
            total[len(fit) :, len(fit) :] = np.eye(len(test)) - 1 / len(test)
            form = residual.T @ residual
            rho = np.trace(form) / np.trace(total)
            deviation = np.sqrt(2) * np.linalg.norm(form - rho * total) / np.trace(total)
            rank = values.sum() ** 2 / np.sum(values**2)
            cases.append(
                {
                    "kind": kind,
                    "seed": seed.hex(),
                    "rows": m,
                    "neighbours": k,
                    "ridge": ridge,
                    "features": {"columns": d, "data": features.ravel().tolist()},
                    "targets": {"columns": n, "data": y.ravel().tolist()},
                    "r2": float(held_out_r2(f, u, fit, test, ridge)),
                    "neighbourOverlap": float(overlap),
                    "effectiveRank": float(rank),
                    "chanceR2": float(1 - rho),
                    "noiseDeviation": float(deviation / np.sqrt(rank)),
                }
            )
    return {"cases": cases}


def predictivity_vectors(rng):
    cases = []
    for m, n in ((60, 8), (40, 24)):
        seed = bytes([n] * 32)
        fit, test = halves(seed, m)
        hidden = rng.normal(size=(m, 5))
        see = lambda width, noise: np.maximum(hidden @ rng.normal(size=(5, width)), 0) @ rng.normal(size=(width, n)) + noise * rng.normal(size=(m, n))
        names = ["clean", "middle", "noisy", "other"]
        matrices = dict(zip(names, (coarse(see(20, s)) for s in (0.1, 1.0, 4.0, 0.5))))
        rotation = np.linalg.qr(rng.normal(size=(n, n)))[0]
        matrices["zcopy"] = (matrices["clean"] @ rotation).astype(np.float32).astype(float)
        r2 = {(a, b): held_out_r2(unit(matrices[a]), unit(matrices[b]), fit, test, 0.01) for a in matrices for b in matrices}
        same = lambda a, b: a == b or (r2[a, b] >= 0.9 and r2[b, a] >= 0.9)
        leaders = []
        for name in sorted(matrices):
            if not any(same(name, leader) for leader in leaders):
                leaders.append(name)
        values = {a: float(np.median([r2[a, b] for b in leaders if not same(a, b)])) for a in matrices}
        assert "zcopy" not in leaders
        cases.append(
            {
                "seed": seed.hex(),
                "rows": m,
                "columns": n,
                "targets": {k: v.ravel().tolist() for k, v in matrices.items()},
                "leaders": leaders,
                "values": values,
            }
        )
    return {"cases": cases}


def row_weight_vectors(rng):
    cases = []
    for rows, shared, n in ((20, 30, 6), (15, 9, 12), (40, 60, 3)):
        reference = coarse(rng.normal(size=(shared, n)) * rng.uniform(0.2, 3, n) + rng.normal(size=n))
        targets = coarse(reference.mean(axis=0) + rng.uniform(0, 1.5, (rows, 1)) * rng.normal(size=(rows, n)) * reference.std(axis=0))
        # the trace of the covariance is the mean squared distance from the mean
        variance = np.trace(np.cov(reference, rowvar=False, bias=True))
        weights = np.clip(cdist(targets, reference.mean(axis=0, keepdims=True), "sqeuclidean").ravel() / variance, 0, 1)
        cases.append(
            {
                "rows": rows,
                "shared": shared,
                "targets": {"columns": n, "data": targets.ravel().tolist()},
                "reference": {"columns": n, "data": reference.ravel().tolist()},
                "weights": weights.tolist(),
            }
        )
    return {"cases": cases}


def consensus_vectors(rng):
    cases = []
    # more rows than dimensions; more dimensions than rows; fewer directions than dimensions
    for m, n, causes, dimensions in ((60, 8, 5, 8), (24, 40, 5, 40), (50, 16, 4, 6)):
        seed = bytes([m] * 32)
        hidden = rng.normal(size=(m, causes))
        matrices = {
            name: coarse((np.maximum(hidden @ rng.normal(size=(causes, 20)), 0) @ rng.normal(size=(20, dimensions)) + s * rng.normal(size=(m, dimensions))) @ rng.normal(size=(dimensions, n)))
            for name, s in (("a", 0.3), ("b", 1.0), ("c", 2.0))
        }
        hats = 0
        for targets in matrices.values():
            x = unit(targets - targets.mean(axis=0))
            x = x - x.mean(axis=0)
            ridge = 0.01 * np.trace(x.T @ x) / min(x.shape)
            u, values, _ = scipy.linalg.svd(x, full_matrices=False)
            hats = hats + (u * (values**2 / (values**2 + ridge))) @ u.T / len(matrices)
        shares, vectors = scipy.linalg.eigh(hats)
        shares, vectors = shares[::-1][: min(n, m - 1)], vectors[:, ::-1][:, : min(n, m - 1)]
        frame = vectors[:, shares > 1e-9] * shares[shares > 1e-9]
        frame *= np.sqrt(m / (frame**2).sum())
        stream = Stream("coopt/1/anchor", seed)
        codes = np.array([stream.uint32() / 2**32 - 0.5 for _ in range(m * n)]).reshape(n, m).T
        left, _, right = scipy.linalg.svd(frame.T @ codes, full_matrices=False)
        cases.append(
            {
                "seed": seed.hex(),
                "rows": m,
                "columns": n,
                "targets": {k: v.ravel().tolist() for k, v in matrices.items()},
                "shares": shares.tolist(),
                "gram": (frame @ frame.T).ravel().tolist(),
                "reference": (frame @ (left @ right)).ravel().tolist(),
            }
        )
    return {"cases": cases}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(NUMPY_SEED)
    for name, content in (
        ("random", random_vectors()),
        ("projection", projection_vectors()),
        ("uniformity", uniformity_vectors(rng)),
        ("ridge", ridge_vectors(rng)),
        ("gate", gate_vectors(rng)),
        ("predictivity", predictivity_vectors(rng)),
        ("row-weight", row_weight_vectors(np.random.default_rng(NUMPY_SEED))),
        ("consensus", consensus_vectors(np.random.default_rng(NUMPY_SEED))),
    ):
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
