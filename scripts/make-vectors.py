#!/usr/bin/env python3
"""Known answers for the mathematics in src/, from an independent implementation.

Nothing here shares code or method with src/: hashlib for the random stream, numpy's QR for the projection, scipy's pdist for the uniform
value, one scikit-learn refit per left-out row for the alignment, scikit-learn's Ridge and r2_score for predictivity,
sums over tuples of distinct rows for the moments of the gate, a covariance's trace for the weights of rows, the matrix of all
products of rows for plausibility.

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


def independence_vectors(rng):
    """z of the gate from explicit m x m matrices, its moments from sums over tuples of distinct rows."""
    cases = []
    for m, n, d, ridge in ((60, 8, 6, 1), (40, 24, 50, 1), (90, 12, 20, 1)):
        hidden = rng.normal(size=(m, 4))
        features = coarse(np.maximum(hidden @ rng.normal(size=(4, d)), 0) + 0.1 * rng.normal(size=(m, d)))
        for kind in ("related", "noise"):
            y = np.maximum(hidden @ rng.normal(size=(4, n)), 0) + 2 * rng.normal(size=(m, n))
            y = coarse(y if kind == "related" else rng.normal(size=(m, n)))
            centre = np.eye(m) - 1 / m
            u, f = centre @ unit(y), centre @ unit(features)
            strength = ridge * np.sum(f**2) / min(m, d)
            a = f @ np.linalg.solve(f.T @ f + strength * np.eye(d), f.T)
            b = u @ u.T
            mean, variance = permutation_moments(a, b)
            freedom = 2 * mean**2 / variance
            width = 2 / (9 * freedom)
            z = (np.cbrt(np.sum(a * b) / mean) - (1 - width)) / np.sqrt(width)
            cases.append(
                {
                    "kind": kind,
                    "rows": m,
                    "features": {"columns": d, "data": features.ravel().tolist()},
                    "targets": {"columns": n, "data": y.ravel().tolist()},
                    "z": float(z),
                    "effectiveRank": float(np.trace(b) ** 2 / np.sum(b**2)),
                }
            )
    return {"cases": cases}


def permutation_moments(a, b):
    """Mean and variance of sum_ij a_ij b_p(i)p(j) over all permutations p, from the means over index tuples without repetition."""
    m = len(a)

    def patterns(x):
        """Sums of x_ij x_kl, x symmetric, by whether i = j, k = l (d: yes, o: no) and which indices of the two pairs coincide."""
        d = np.diag(x)
        o = x - np.diag(d)
        r = o.sum(axis=1)
        both = np.sum(o * o)
        one = r @ r - both
        return {
            "dd same": d @ d,
            "dd apart": d.sum() ** 2 - d @ d,
            "do touch": 4 * (d @ r),
            "do apart": 2 * (d.sum() * o.sum() - 2 * (d @ r)),
            "oo same": 2 * both,
            "oo touch": 4 * one,
            "oo apart": o.sum() ** 2 - 2 * both - 4 * one,
        }

    counts = {
        "dd same": m,
        "dd apart": m * (m - 1),
        "do touch": m * (m - 1),
        "do apart": m * (m - 1) * (m - 2),
        "oo same": m * (m - 1),
        "oo touch": m * (m - 1) * (m - 2),
        "oo apart": m * (m - 1) * (m - 2) * (m - 3),
    }
    pa, pb = patterns(a), patterns(b)
    terms = {"do touch": 4, "do apart": 2, "oo same": 2, "oo touch": 4}
    second = sum(pa[k] * pb[k] / counts[k] / terms.get(k, 1) for k in counts)
    off = lambda x: x.sum() - np.trace(x)
    mean = np.trace(a) * np.trace(b) / m + off(a) * off(b) / (m * (m - 1))
    return mean, second - mean**2


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


def agreement(p, y):
    """z, agreement and its deviation from the matrix of all products of unit rows, written out."""
    a = (p / np.linalg.norm(p, axis=1, keepdims=True)) @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T
    a = a - a.mean(axis=0, keepdims=True) - a.mean(axis=1, keepdims=True) + a.mean()
    k = len(a)
    e = np.diag(a)
    other = a[~np.eye(k, dtype=bool)]
    return {
        "z": float(e.sum() / np.sqrt(np.sum(a**2) / (k - 1))),
        "agreement": float(e.sum() / (k - 1)),
        "deviation": float(e.std(ddof=1)),
        "ownSquare": float(np.mean(e**2)),
        "otherSquare": float(np.mean(other**2)),
    }


def plausibility_vectors(rng):
    cases = []
    grid = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]
    for m, n, q, k, noise in ((60, 8, 6, 24, 0.3), (20, 24, 12, 16, 0.3), (40, 6, 6, 20, 2)):
        hidden = rng.normal(size=(m + k, 4))
        x, y = (
            coarse(np.maximum(hidden @ rng.normal(size=(4, d)), 0) + noise * rng.normal(size=(m + k, d)) + 1) for d in (n, q)
        )
        own, their = x[:m], y[:m]
        best = None
        for multiple in grid:
            strength = multiple * np.sum((own - own.mean(axis=0)) ** 2) / min(m, n)
            predicted, means = np.zeros_like(their), np.zeros_like(their)
            for i in range(m):
                rest = np.arange(m) != i
                predicted[i] = Ridge(alpha=strength, solver="svd").fit(own[rest], their[rest]).predict(own[i : i + 1])[0]
                means[i] = their[rest].mean(axis=0)
            error = np.sum((their - predicted) ** 2)
            if best is None or error < best[0]:
                best = (error, strength, predicted - means)
        _, strength, left_out = best
        shared = agreement(left_out, their - their.mean(axis=0))
        model = Ridge(alpha=strength, solver="svd").fit(own, their)
        p = model.predict(x[m:]) - their.mean(axis=0)
        checks = []
        for rows in (y[m:], np.roll(y[m:], 1, axis=0)):
            found = agreement(p, rows - their.mean(axis=0))
            shortfall = (shared["agreement"] - found["agreement"]) / (shared["deviation"] * np.sqrt(1 / k + 1 / m))
            variance = (k * shared["ownSquare"] + k * (k - 1) * shared["otherSquare"]) / (k - 1)
            checks.append(
                {
                    "theirRows": rows.ravel().tolist(),
                    "z": found["z"],
                    "agreement": found["agreement"],
                    "shortfall": float(shortfall),
                    "expected": float(shared["agreement"] * (k - 1) / np.sqrt(variance)),
                }
            )
        cases.append(
            {
                "rows": m,
                "drawn": k,
                "ownShared": {"columns": n, "data": own.ravel().tolist()},
                "theirShared": {"columns": q, "data": their.ravel().tolist()},
                "ownRows": x[m:].ravel().tolist(),
                "shared": shared,
                "checks": checks,
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
        ("independence", independence_vectors(np.random.default_rng(NUMPY_SEED))),
        ("predictivity", predictivity_vectors(np.random.default_rng(NUMPY_SEED))),
        ("row-weight", row_weight_vectors(np.random.default_rng(NUMPY_SEED))),
        ("plausibility", plausibility_vectors(np.random.default_rng(NUMPY_SEED))),
        ("consensus", consensus_vectors(np.random.default_rng(NUMPY_SEED))),
    ):
        path = OUT / f"{name}.json"
        path.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
