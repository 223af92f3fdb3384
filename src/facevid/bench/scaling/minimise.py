"""Many small smooth problems minimised side by side: BFGS with a line search that holds near kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Objective = Callable[[Floats, Ints], tuple[Floats, Floats]]
"""(points (K, P), which problem each is of (K,)) -> values (K,), gradients (K, P)."""

_DECREASE = (
    1e-4  # Armijo's constant, and Wolfe's below: Nocedal & Wright, "Numerical optimization", section 3.1
)
_CURVATURE = 0.9
_TRIALS = 40  # halvings of a step until it is below the precision of doubles
_IDLE = 4  # steps in a row that gain nothing


@dataclass(frozen=True)
class Minima:
    """Where each problem ended. theta (S, P), value (S,), converged (S,): whether it stopped by itself."""

    theta: Floats
    value: Floats
    converged: NDArray[np.bool_]


def minimise(
    objective: Objective, starts: Floats, *, tolerance: float = 1e-8, gain: float = 1e-13, trials: int = 2000
) -> Minima:
    """Minimises S problems of P parameters from `starts` (S, P), each by BFGS (Nocedal & Wright, algorithm 6.1).

    The line search brackets and bisects to a weak Wolfe point, which also serves for objectives that are nearly
    kinked, such as Huber's with a small delta (Lewis & Overton 2013, algorithm 2.6). Problems do not wait for each
    other: every round evaluates one trial point of each that has not stopped.

    A problem stops when no part of its gradient is above `tolerance` x its value, when four steps in a row gain less
    than `gain` x its value, or when no step along the descent gains anything; it counts as not converged after
    `trials` evaluations.
    """
    state = _State(np.array(starts, np.float64))
    state.begin(*objective(state.x, np.arange(len(starts))))
    for _ in range(trials):
        active = np.flatnonzero(~state.stopped)
        if not len(active):
            break
        points = state.x[active] + state.t[active, None] * state.p[active]
        with np.errstate(all="ignore"):
            values, gradients = objective(points, active)
        state.take(active, points, values, gradients, tolerance, gain)
    return Minima(state.x, state.f, state.stopped)


class _State:
    """Points x, values f, gradients g, inverse Hessians h, and of the search: direction p, its slope, step t in
    (low, high), trials made."""

    def __init__(self, x: Floats) -> None:
        count, width = x.shape
        self.x = x
        self.h = np.broadcast_to(np.eye(width), (count, width, width)).copy()
        self.fresh = np.ones(count, np.bool_)
        self.idle = np.zeros(count, np.int64)
        self.stopped = np.zeros(count, np.bool_)
        self.t, self.low, self.high = np.ones(count), np.zeros(count), np.full(count, np.inf)
        self.made = np.zeros(count, np.int64)

    def begin(self, values: Floats, gradients: Floats) -> None:
        self.f, self.g = values, gradients
        self.p, self.slope = np.zeros_like(self.x), np.zeros(len(self.x))
        self.stopped |= ~np.isfinite(values)
        self._aim(np.flatnonzero(~self.stopped))

    def take(
        self, active: Ints, points: Floats, values: Floats, gradients: Floats, tolerance: float, gain: float
    ) -> None:
        """Judges one trial point of each active problem: step on, search on, or stop."""
        t, slope = self.t[active], self.slope[active]
        sound = np.isfinite(values) & np.isfinite(gradients).all(1)
        falls = sound & (values <= self.f[active] + _DECREASE * t * slope)
        with np.errstate(invalid="ignore"):
            rest = np.einsum("kp,kp->k", gradients, self.p[active])
        self.made[active] += 1
        spent = self.made[active] >= _TRIALS
        short = falls & (rest < _CURVATURE * slope) & ~spent
        taken = falls & ~short
        self.high[active[~falls]] = t[~falls]
        self.low[active[short]] = t[short]
        going = active[~taken]
        bounded = np.isfinite(self.high[going])
        self.t[going] = np.where(bounded, 0.5 * (self.low[going] + self.high[going]), 2.0 * self.low[going])
        self._give_up(active[spent & ~falls])
        self._step(active[taken], points[taken], values[taken], gradients[taken], tolerance, gain)

    def _give_up(self, which: Ints) -> None:
        """A search that found nothing starts again along the gradient; if that was it, the problem is done."""
        self.stopped[which[self.fresh[which]]] = True
        again = which[~self.fresh[which]]
        self.h[again] = np.eye(self.x.shape[1])
        self.fresh[again] = True
        self._aim(again)

    def _step(self, which: Ints, x: Floats, f: Floats, g: Floats, tolerance: float, gain: float) -> None:
        if not len(which):
            return
        s, y = x - self.x[which], g - self.g[which]
        gained = self.f[which] - f
        self.idle[which] = np.where(gained <= gain * np.abs(f), self.idle[which] + 1, 0)
        self.x[which], self.f[which], self.g[which] = x, f, g
        self._learn(which, s, y)
        flat = np.abs(g).max(1) <= tolerance * np.abs(f) + 1e-300
        self.stopped[which] = flat | (self.idle[which] >= _IDLE)
        self._aim(which[~self.stopped[which]])

    def _learn(self, which: Ints, s: Floats, y: Floats) -> None:
        """The update of the inverse Hessian (Nocedal & Wright, equation 6.17), scaled at first (equation 6.20)."""
        sy, yy = np.einsum("kp,kp->k", s, y), np.einsum("kp,kp->k", y, y)
        good = sy > 1e-300
        which, s, y, sy, yy = which[good], s[good], y[good], sy[good], yy[good]
        h = self.h[which]
        fresh = self.fresh[which]
        h[fresh] *= (sy[fresh] / yy[fresh])[:, None, None]
        self.fresh[which] = False
        hy = np.einsum("kpq,kq->kp", h, y)
        both = s[:, :, None] * hy[:, None, :]
        scale = (1 + np.einsum("kp,kp->k", y, hy) / sy) / sy
        h += scale[:, None, None] * (s[:, :, None] * s[:, None, :])
        h -= (both + both.transpose(0, 2, 1)) / sy[:, None, None]
        self.h[which] = h

    def _aim(self, which: Ints) -> None:
        """A direction of descent and a new search along it."""
        g = self.g[which]
        p = -np.einsum("kpq,kq->kp", self.h[which], g)
        slope = np.einsum("kp,kp->k", p, g)
        lost = ~(slope < 0)
        self.h[which[lost]] = np.eye(self.x.shape[1])
        self.fresh[which[lost]] = True
        p[lost] = -g[lost]
        slope[lost] = -np.einsum("kp,kp->k", g[lost], g[lost])
        self.stopped[which[~(slope < 0)]] = True
        # The first step has no scale of its own: it moves no parameter by more than a tenth.
        first = np.minimum(1.0, 0.1 / np.maximum(np.abs(p).max(1), 1e-300))
        self.p[which], self.slope[which] = p, slope
        self.t[which] = np.where(self.fresh[which], first, 1.0)
        self.low[which], self.high[which], self.made[which] = 0.0, np.inf, 0
