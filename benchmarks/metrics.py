"""What the metrics cost, on one core: N = 10,000, ten latents, five factors, beside the standard algorithms.

    python benchmarks/metrics.py

Targets: the closed forms together 50 ms, the suite without BetaVAE, FactorVAE and boosting 3 s, fast DCI 1.5 s, and
the closed forms of an epoch's validation codes 2 % of that epoch. The standard algorithms are plain scikit-learn: a
mutual information, a linear SVM and a boosted ensemble at a time. Every number is the median of its turns.
"""

import statistics
import time
from itertools import product

import numpy as np
import torch
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import mutual_info_score
from sklearn.svm import LinearSVC

from auxvae.metrics.closed import closed_forms, factor_columns
from auxvae.metrics.representation import representation
from auxvae.metrics.suite import lacks, measured, suite

N, D, F = 10_000, 10, 5
SLOW = {"beta_vae", "factor_vae"}


def data(discrete):
    """Factors, and codes that mix and blur them."""
    g = np.random.default_rng(0)
    u = g.random((N, F))
    u = np.floor(u * (3, 4, 6, 8, 5)) if discrete else u
    unit = (u - u.mean(0)) / u.std(0)
    return np.hstack([unit @ (np.eye(F) + 0.3 * g.standard_normal((F, F))), g.standard_normal((N, D - F))]), u


def seconds(call, turns=5):
    """Median time of a call."""
    taken = []
    for _ in range(turns):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def closed(z, u):
    """The closed forms together, without and with 100 bootstrap samples, and of twenty runs at once."""
    table = factor_columns({str(k): column for k, column in enumerate(u.T)}, torch.device("cpu"))
    one = torch.from_numpy(z)
    several = one.expand(20, -1, -1)
    print(f"closed forms                        {1e3 * seconds(lambda: closed_forms(one, table)):8.1f} ms  (target 50)")
    print(f"closed forms, 100 samples           {1e3 * seconds(lambda: closed_forms(one, table, 100)):8.1f} ms")
    print(f"closed forms of 20 runs, each       {50 * seconds(lambda: closed_forms(several, table), 3):8.1f} ms")


def every(inputs):
    """Each metric by itself, and the sum that has a target."""
    total = 0.0
    for name, metric in measured().items():
        if not lacks(name, inputs) and not metric.boosted:
            taken = seconds(lambda name=name: suite(inputs, [name]), 3)
            total += 0 if name in SLOW else taken
            print(f"    {name:<31}{taken:9.3f} s")
    print(f"suite without BetaVAE, FactorVAE    {total:9.3f} s   (target 3)")


def standard(z, u):
    """The standard algorithms, one after the other, over the package's."""
    inputs = representation(z, u)
    bins = [np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in z.T]
    pairs = list(product(range(D), range(F)))
    for title, name, plain in (
        ("mutual information, MIG", "mig", lambda: [mutual_info_score(u[:, k], bins[j]) for j, k in pairs]),
        ("linear SVMs, SAP", "sap_discrete", lambda: [_svm(z[:, [j]], u[:, k]) for j, k in pairs]),
        ("boosting, DCI", "dci", lambda: [GradientBoostingClassifier().fit(z, u[:, k]) for k in range(F)]),
    ):
        once, here = seconds(plain, 1), seconds(lambda name=name: suite(inputs, [name]), 3)
        print(f"{title:<28}{once:8.2f} s plain, {here:6.3f} s here with its interval: {once / here:6.1f} times")


def _svm(z, u):
    return LinearSVC(C=0.01, class_weight="balanced").fit(z, u).score(z, u)


if __name__ == "__main__":
    torch.set_num_threads(1)
    z, u = data(discrete=True)
    print("discrete factors")
    closed(z, u)
    every(representation(z, u))
    standard(z, u)
    print("continuous factors")
    z, u = data(discrete=False)
    closed(z, u)
    every(representation(z, u))
