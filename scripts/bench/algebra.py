"""numpy's side of algebra.ts: reads one step per line (JSON) from stdin, prints its CPU seconds and a figure to compare.

Every step is written as one would with numpy and LAPACK (scipy), float64 throughout, and computes the same figures as src/align.
"""
import json
import sys
import time

import numpy as np
from scipy.linalg import cholesky, solve_triangular


def halves(m, most):
    half = m // 2
    return np.arange(min(half, most)), np.arange(half, min(m, half + most))


def unit(a):
    a = a - a.mean(axis=0)
    norms = np.linalg.norm(a, axis=1, keepdims=True)
    return a / np.where(norms == 0, 1, norms)


def uniform(u, t=2.0):
    tile, total, squares = 1024, 0.0, np.einsum("ij,ij->i", u, u)
    for i in range(0, len(u), tile):
        for j in range(i, len(u), tile):
            d = u[i : i + tile] @ u[j : j + tile].T
            d *= -2
            d += squares[i : i + tile, None]
            d += squares[None, j : j + tile]
            np.maximum(d, 0, out=d)
            d *= -t
            np.exp(d, out=d)
            total += np.triu(d, 1).sum() if i == j else d.sum()
    return np.log(total / (len(u) * (len(u) - 1) / 2))


def weights_of(fit, test, ridge):
    mean = fit.mean(axis=0)
    x, z = fit - mean, test - mean
    dual = len(x) <= x.shape[1]
    gram = x @ x.T if dual else x.T @ x
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / len(gram)
    l = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    solve = lambda b: solve_triangular(l, solve_triangular(l, b, lower=True, check_finite=False), lower=True, trans="T", check_finite=False)
    w = solve(x @ z.T).T if dual else solve(z.T).T @ x.T
    return w + 1 / len(fit)


def neighbours(u, k):
    g = u @ u.T
    np.fill_diagonal(g, -np.inf)
    found = np.zeros(g.shape, bool)
    np.put_along_axis(found, np.argpartition(-g, k, axis=1)[:, :k], True, axis=1)
    return found


def gate(y, features):
    value = uniform(y / np.linalg.norm(y, axis=1, keepdims=True))
    u, f = unit(y), unit(features)
    fit, test = halves(len(u), 1024)
    w = weights_of(f[fit], f[test], 0.3)
    yt = u[test]
    r2 = 1 - ((yt - w @ u[fit]) ** 2).sum() / ((yt - yt.mean(axis=0)) ** 2).sum()
    both = u[np.concatenate([fit, test])]
    g = both @ both.T if len(both) <= both.shape[1] else both.T @ both
    rank = np.trace(g) ** 2 / (g**2).sum()
    fourth = ((w @ w.T) ** 2).sum()
    overlap = (neighbours(yt, 5) & neighbours(f[test], 5)).sum() / (5 * len(test))
    return value, r2, rank, fourth, overlap


def fit_ridge(x, y, grid):
    mean, x, y = y.mean(axis=0), x - x.mean(axis=0), y - y.mean(axis=0)
    m, n = x.shape
    dual = m <= n
    gram = x @ x.T if dual else x.T @ x
    scale = np.trace(gram) / len(gram)
    best = (np.inf, None)
    if len(gram) <= 512:
        values, v = np.linalg.eigh(gram)
        values = np.maximum(values, 0)
        p = v if dual else x @ v
        c = p.T @ y
        squares = p**2
        for g in grid:
            w = (values if dual else 1) / (values + g * scale)
            free = 1 - squares @ w - 1 / m
            error = (((y - p @ (w[:, None] * c)) / free[:, None]) ** 2).sum()
            best = min(best, (error, g))
        w = 1 / (values + best[1] * scale)
        b = v @ (w[:, None] * c)
        b = x.T @ b if dual else b
    else:
        right = y if dual else x.T @ y
        solved = {}
        for g in grid:
            a = gram.copy()
            a[np.diag_indices_from(a)] += g * scale
            l = cholesky(a, lower=True, overwrite_a=True, check_finite=False)
            z = solve_triangular(l, right, lower=True, check_finite=False)
            if dual:
                alpha = solve_triangular(l, z, lower=True, trans="T", check_finite=False)
                inverse = solve_triangular(l, np.eye(m), lower=True, check_finite=False)
                free = g * scale * np.einsum("ij,ij->j", inverse, inverse) - 1 / m
                residuals = g * scale * alpha
            else:
                p = solve_triangular(l, x.T, lower=True, check_finite=False)
                free = 1 - np.einsum("ij,ij->j", p, p) - 1 / m
                residuals = y - p.T @ z
            error = ((residuals / free[:, None]) ** 2).sum()
            if error < best[0]:
                best, solved = (error, g), (l, z)
        b = solve_triangular(solved[0], solved[1], lower=True, trans="T", check_finite=False)
        b = x.T @ b if dual else b
    assert b.shape == (n, len(mean))
    return 1 - best[0] / (y**2).sum()


def predictivity(priors):
    m = priors[0].shape[0]
    fit, test = halves(m, 512)
    order, rows, cols = np.concatenate([fit, test]), *np.tril_indices(len(fit) + len(test))
    f, t = len(fit), len(test)
    panel = min(64, len(priors))
    residual, gram, total = [], [], []
    for k, y in enumerate(priors):
        u = unit(y)
        w = weights_of(u[fit], u[test], 0.01)
        form = np.zeros((f + t, f + t))
        form[:f, :f] = 2 * (w.T @ w)
        form[f:, :f] = -2 * w
        form[np.arange(f), np.arange(f)] /= 2
        form[np.arange(f, f + t), np.arange(f, f + t)] = 1
        residual.append(form[rows, cols])
        if k < panel:
            g = u[order] @ u[order].T
            gram.append(g[rows, cols])
            total.append(np.trace(g[f:, f:]) - g[f:, f:].sum() / t)
    r2 = 1 - (np.array(residual) @ np.array(gram).T) / np.array(total)
    return [np.median(np.delete(row, k) if k < panel else row) for k, row in enumerate(r2)]


def consensus(priors, n):
    m = priors[0].shape[0]
    hats = np.zeros((m, m))
    for y in priors:
        x = unit(y)
        x -= x.mean(axis=0)
        gram = x.T @ x
        gram[np.diag_indices_from(gram)] += 0.01 * np.trace(gram) / len(gram)
        l = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
        p = solve_triangular(l, x.T, lower=True, check_finite=False)
        hats += p.T @ p
    values, v = np.linalg.eigh(hats / len(priors))
    frame = v[:, -n:] * values[-n:]
    frame *= np.sqrt(m / (values[-n:] ** 2).sum())
    cross = frame.T @ np.random.default_rng(0).uniform(-0.5, 0.5, (m, n))
    a, q = np.linalg.eigh(cross @ cross.T)
    return frame @ (q @ ((q.T @ cross) / np.sqrt(a)[:, None]))


def run(step, rows, columns, files):
    load = lambda path: np.fromfile(path, np.float32).reshape(rows, columns).astype(float)
    matrices = [load(path) for path in files]
    if step == "product":
        return lambda: matrices[0] @ matrices[1].T
    if step == "cholesky":
        a = matrices[0].T @ matrices[0]
        a[np.diag_indices_from(a)] += 0.01 * np.trace(a) / len(a)
        return lambda: np.linalg.cholesky(a)
    if step == "eigenvectors":
        a = matrices[0].T @ matrices[0]
        return lambda: np.linalg.eigh(a)
    if step == "W":
        return lambda: np.linalg.qr(np.random.default_rng(0).uniform(-1, 1, (max(rows, columns), min(rows, columns))))
    if step == "uniform value":
        return lambda: uniform(matrices[0] / np.linalg.norm(matrices[0], axis=1, keepdims=True))
    if step == "gate":
        return lambda: gate(*matrices)
    if step == "ridge":
        return lambda: fit_ridge(*matrices, [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1])
    return lambda: predictivity(matrices) if step == "predictivity" else consensus(matrices, columns)


def figure(step, result):
    if step in ("uniform value", "ridge"):
        return float(result)
    if step == "gate":
        return float(result[0])
    if step == "consensus":
        return float(np.linalg.norm(result.T @ result))
    return None


for line in sys.stdin:
    task = json.loads(line)
    job = run(task["step"], task["rows"], task["columns"], task["files"])
    best, spent = np.inf, 0.0
    for _ in range(5):
        start = time.process_time()
        result = job()
        seconds = time.process_time() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > task["budget"]:
            break
    print(json.dumps({"seconds": best, "figure": figure(task["step"], result), "numpy": np.__version__}), flush=True)
