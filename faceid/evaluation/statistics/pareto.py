"""The generalised Pareto distribution: fit by maximum likelihood, goodness of fit, likelihood region.

Exceedances over a high cut follow it in the limit (Balkema and de Haan 1974; Pickands 1975). Survival function
(1 + shape * y / scale) ** (-1 / shape) for y >= 0; a negative shape has an end at -scale / shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Below -1 the likelihood has no maximum (Grimshaw 1993); heavier than 5 is no distance.
_SHAPES = (-1.0, 5.0)
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def fit(excess: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Fit shapes (b,) and scales (b,) to samples (b, n) of positive excesses, by maximum likelihood.

    The likelihood is profiled to one dimension, theta = shape / scale (Davison 1984; Grimshaw 1993). `weights` (b, n)
    >= 0 are multiplicities of the excesses; `excess` may then be (1, n).
    """
    mass = np.full(excess.shape, 1.0) if weights is None else weights
    total = mass.sum(axis=1)
    mean = (mass * excess).sum(axis=1) / total
    largest = np.where(mass > 0, excess, 0.0).max(axis=1)

    def at(u: Floats) -> tuple[Floats, Floats, Floats]:
        theta = np.expm1(u) / largest
        # An excess of weight 0 may lie beyond the end.
        logs = np.log(np.maximum(1.0 + theta[:, None] * excess, 1e-300))
        shape = np.clip((mass * logs).sum(axis=1) / total, *_SHAPES)
        flat = np.abs(u) < 1e-7
        scale = np.where(flat, mean, shape / np.where(flat, 1.0, theta))
        # The profile is valid only while the shape is its own maximiser, and not at the border of the shapes.
        inside = (shape > _SHAPES[0]) & (shape < _SHAPES[1])
        return np.where(inside, -np.log(scale) - shape - 1.0, -np.inf), shape, scale

    grid = np.concatenate([-np.geomspace(12.0, 0.05, 12), [0.0], np.geomspace(0.05, 8.0, 10)])
    values = np.array([at(np.full(total.shape, u))[0] for u in grid])
    best = np.clip(values.argmax(axis=0), 1, grid.size - 2)
    low, high = grid[best - 1], grid[best + 1]
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = at(left)[0], at(right)[0]
    for _ in range(26):
        up = at_left < at_right
        low, high = np.where(up, left, low), np.where(up, high, right)
        new = np.where(up, low + _GOLDEN * (high - low), high - _GOLDEN * (high - low))
        at_new = at(new)[0]
        left, right = np.where(up, right, new), np.where(up, new, left)
        at_left, at_right = np.where(up, at_right, at_new), np.where(up, at_new, at_left)
    _, shape, scale = at((low + high) / 2)
    return shape, scale


def log_likelihood(excess: Floats, shape: Floats, scale: Floats) -> Floats:
    """Log-likelihood (b,) of one sample (n,) at shapes and scales (b,); -inf if an excess lies beyond the end."""
    inside = 1.0 + (shape / scale)[:, None] * excess
    bounded = np.log(np.maximum(inside, 1e-300))
    flat = np.abs(shape) < 1e-8
    factor = 1.0 + 1.0 / np.where(flat, 1.0, shape)
    value = np.where(flat, excess.sum() / scale, factor * bounded.sum(axis=1))
    return np.where(inside.min(axis=1) > 0, -excess.size * np.log(scale) - value, -np.inf)


def survival(excess: Floats | float, shape: Floats | float, scale: Floats | float) -> Floats:
    """The chance of an excess larger than `excess` (>= 0), 0 beyond the end."""
    shape, scale = np.asarray(shape, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    flat = np.abs(shape) < 1e-8
    safe = np.where(flat, 1.0, shape)
    inside = np.maximum(1.0 + safe * excess / scale, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(flat, np.exp(-excess / scale), np.exp(-np.log(inside) / safe)))


def quantile(share: Floats | float, shape: Floats | float, scale: Floats | float) -> Floats:
    """The excess above which a `share` (0..1) of the distribution lies."""
    shape = np.asarray(shape, dtype=np.float64)
    flat = np.abs(shape) < 1e-8
    safe = np.where(flat, 1.0, shape)
    return np.asarray(scale * np.where(flat, -np.log(share), np.expm1(-safe * np.log(share)) / safe))


def anderson_darling(excess: Floats, shape: Floats, scale: Floats) -> Floats:
    """Anderson and Darling's A squared (b,) of samples (b, n): small where the distribution fits, the end included."""
    beyond = survival(np.sort(excess, axis=1), shape[:, None], scale[:, None])
    n = excess.shape[1]
    odd = 2.0 * np.arange(1, n + 1) - 1.0
    logs = np.log(np.maximum(-np.expm1(np.log(np.maximum(beyond, 1e-300))), 1e-300)) + np.log(
        np.maximum(beyond[:, ::-1], 1e-300)
    )
    return np.asarray(-n - (odd * logs).sum(axis=1) / n)


def goodness_of_fit(excess: Floats, rng: np.random.Generator, samples: int = 199, size: int = 500) -> float:
    """p-value of Anderson and Darling's test with fitted parameters, by parametric bootstrap.

    The parameters were fitted to the same data, so the statistic is compared with that of `samples` samples drawn
    from the fit and fitted again (Choulakian and Stephens 2001 tabulate the same for large n). Its distribution
    hardly depends on n, so simulated samples are of `size` at most.
    """
    shape, scale = fit(excess[None, :])
    observed = anderson_darling(excess[None, :], shape, scale)
    drawn = quantile(1.0 - rng.random((samples, min(excess.size, size))), shape, scale)
    simulated = anderson_darling(drawn, *fit(drawn))
    return float(1 + np.count_nonzero(simulated >= observed)) / (samples + 1)


def likelihood_region(
    excess: Floats, shape: float, scale: float, drop: float
) -> tuple[Floats, Floats, Floats]:
    """Shapes, scales and counts (r,) on the border where the log-likelihood is `drop` below its maximum.

    The third parameter is the expected number of exceedances, Poisson. The range of a smooth monotone quantity over
    the border is its profile likelihood interval (Coles 2001, 2.6.6).
    """
    n = excess.size
    top = log_likelihood(excess, np.array([shape]), np.array([scale]))[0]
    levels, around = np.linspace(-0.5, 0.5, 5) * np.pi, np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
    polar, angle = (axis.ravel() for axis in np.meshgrid(levels, around))
    # Steps of about one standard error in each direction, from the information matrix of the regular case.
    a = (1.0 + max(shape, -0.4)) / np.sqrt(n) * np.cos(polar) * np.cos(angle)
    b = np.sqrt(2.0 / n) * np.cos(polar) * np.sin(angle)
    c = np.sin(polar) / np.sqrt(n)

    def falls(reach: Floats) -> NDArray[np.bool_]:
        value = log_likelihood(excess, shape + reach * a, scale * np.exp(reach * b))
        poisson = n * (np.expm1(reach * c) - reach * c)
        return np.asarray(value - poisson < top - drop)

    low, high = np.zeros(a.size), np.ones(a.size)
    while not (out := falls(high)).all():
        low, high = np.where(out, low, high), np.where(out, high, 2.0 * high)
    for _ in range(16):
        middle = (low + high) / 2
        out = falls(middle)
        low, high = np.where(out, low, middle), np.where(out, middle, high)
    return shape + low * a, scale * np.exp(low * b), n * np.exp(low * c)
