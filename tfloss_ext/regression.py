# SPDX-License-Identifier: Apache-2.0
"""Losses of regression: a penalty for each output, averaged over the last axis."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from keras import ops

from tfloss_ext import gradients, numerics, screening, shapes
from tfloss_ext.base import Loss
from tfloss_ext.declaration import hook
from tfloss_ext.parameters import flag, number, numbers


class RegressionLoss(Loss):
    """The family of losses that average a penalty over the outputs.

    A subclass defines `penalty(y_true, y_pred)`, one value per output, and `pull_back`, its gradients.
    """

    task = "regression"

    ignore_nan: bool = flag(
        default=False,
        kw_only=True,
        doc="Leave NaN targets out of the mean over the last axis; a row with none left weighs nothing.",
    )

    @hook
    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        """The value per output, in the shape of `y_true`."""

    @hook
    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> Any:
        """The gradients with respect to both, from that of the penalty, which broadcasts over the outputs."""

    def _penalty_and_slopes(self, y_true: Any, y_pred: Any, share: Any = 1.0) -> tuple[Any, Any]:
        """The penalty, and the gradient of a share of it with respect to `y_pred` alone."""
        return self.penalty(y_true, y_pred), self.pull_back(share, y_true, y_pred)[1]

    def known(self, y_true: Any, y_pred: Any) -> Any:
        return ops.any(ops.logical_not(ops.isnan(y_true)), axis=-1) if self.ignore_nan else None

    def fault(self, targets: np.ndarray, classes: int | None) -> screening.Fault | None:
        return super().fault(np.where(targets == targets, targets, 0) if self.ignore_nan else targets, classes)

    @property
    def _slices(self) -> bool:  # type: ignore[override]
        return not self.ignore_nan

    def spread(self, mask: Any) -> Any:
        """A mask over the targets as one over the predictions."""
        return mask

    def call(self, y_true: Any, y_pred: Any) -> Any:
        share: tuple[Any, ...] = ()
        if self.ignore_nan:
            missing = ops.isnan(y_true)
            zero = ops.zeros((), dtype=y_pred.dtype)
            y_true = ops.where(missing, zero, y_true)
            y_pred = ops.where(self.spread(missing), zero, y_pred)
            kept = ops.cast(ops.logical_not(missing), y_pred.dtype)
            share = (numerics.ratio(kept, ops.sum(kept, axis=-1, keepdims=True)),)

        def value(y_true: Any, y_pred: Any, *share: Any) -> Any:
            penalty = self.penalty(y_true, y_pred)
            return ops.sum(share[0] * penalty, axis=-1) if share else numerics.mean(penalty)

        # The mean is inside, so that its gradient is not spread over an array of its own.
        def slopes(upstream: Any, y_true: Any, y_pred: Any, *share: Any) -> Any:
            outputs = ops.cast(ops.shape(y_true)[-1], upstream.dtype)
            upstream = ops.expand_dims(upstream if share else upstream / outputs, -1)
            return self.pull_back(upstream * share[0] if share else upstream, y_true, y_pred)

        if gradients.is_constant(y_true) and not gradients.is_constant(y_pred):
            return self._with_slopes(y_true, y_pred, *share)
        return gradients.with_gradient(
            lambda *pair: gradients.over_slices(value, *pair, *share, like=y_pred),
            lambda upstream, *pair: gradients.over_slices(slopes, upstream, *pair, *share, like=y_pred),
        )(y_true, y_pred)

    def _with_slopes(self, y_true: Any, y_pred: Any, *share: Any) -> Any:
        """The values with the slopes of the predictions, which are known once the values are."""
        outputs = y_true.shape[-1]

        def found(y_pred: Any, y_true: Any, *share: Any) -> tuple[Any, Any]:
            penalty, slopes = self._penalty_and_slopes(y_true, y_pred, *share)
            penalty = share[0] * penalty if share else penalty
            return ops.squeeze(penalty, -1) if outputs == 1 else ops.sum(penalty, axis=-1), slopes

        total = gradients.with_slopes(found, y_pred, y_true, *share, elements=gradients.SLICE_ELEMENTS)
        return total if share or outputs == 1 else total * (1.0 / outputs)


class ErrorLoss(RegressionLoss):
    """The family whose penalty depends on `y_pred - y_true` alone.

    A subclass defines `cost(error)` and its derivative `slope(error)`.
    """

    @hook
    def cost(self, error: Any) -> Any:
        """The value per output."""

    @hook
    def slope(self, error: Any) -> Any:
        """The derivative of the cost."""

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        return self.cost(y_pred - y_true)

    def _cost_and_slope(self, error: Any) -> tuple[Any, Any]:
        """Both, where much of one is in the other."""
        return self.cost(error), self.slope(error)

    def _penalty_and_slopes(self, y_true: Any, y_pred: Any, share: Any = None) -> tuple[Any, Any]:
        cost, slope = self._cost_and_slope(y_pred - y_true)
        return cost, shapes.product(slope, share)

    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        gradient = self.slope(y_pred - y_true) * upstream
        return -gradient, gradient


class LogCosh(ErrorLoss, key="log_cosh_loss", aliases=("logcosh",)):
    """Logarithm of the hyperbolic cosine of the error: squared for small errors, absolute for large ones.

    `log(cosh(y_pred - y_true))`, with a relative error below 1e-6 for errors from 1e-12 to 1e30, where the usual
    `softplus` form returns 0 below 1e-4.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C.

    Reference:
        Saleh & Saleh, Statistical Properties of the log-cosh Loss Function, arXiv:2208.04564.

    Example:
        >>> loss = LogCosh()
        >>> print(f"{loss([[0.0, 0.0]], [[0.0, 2.0]]):.4f}")
        0.6625
    """

    use = "regression with outliers"

    def cost(self, error: Any) -> Any:
        return numerics.log_cosh(error)

    def slope(self, error: Any) -> Any:
        return numerics.tanh(error)

    def _cost_and_slope(self, error: Any) -> tuple[Any, Any]:
        # A subclass may have a cost of its own.
        return numerics.log_cosh_and_tanh(error) if type(self) is LogCosh else super()._cost_and_slope(error)


class WeightedMSE(ErrorLoss, key="weighted_mse"):
    """Mean squared error with a weight for each output.

    `mean(weight * (y_pred - y_true)**2)` over the last axis; the weights are not normalised.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit squared.

    Reference:
        Weighted least squares: Aitken, On Least Squares and Linear Combination of Observations, 1936,
        doi:10.1017/S0370164600014346.

    Example:
        >>> loss = WeightedMSE(weight=[1.0, 3.0])
        >>> print(f"{loss([[0.0, 0.0]], [[1.0, 2.0]]):.4f}")
        6.5000
    """

    use = "several outputs that matter differently"

    weight: float | list[float] = numbers(
        default=1.0, at_least=0, doc="One for all outputs, or one for each of the C outputs."
    )

    def cost(self, error: Any) -> Any:
        return self.per_output("weight", error.shape[-1]) * ops.square(error)

    def slope(self, error: Any) -> Any:
        return 2.0 * self.per_output("weight", error.shape[-1]) * error


def _by_sign(error: Any, above: Any, below: Any) -> Any:
    """One weight where the prediction is above the target, the other elsewhere."""
    # As tensors: of two Python numbers `where` makes float32.
    return ops.where(error > 0, *(ops.convert_to_tensor(weight, dtype=error.dtype) for weight in (above, below)))


class Quantile(ErrorLoss, key="quantile", aliases=("pinball",)):
    """Pinball loss, whose minimum is a quantile of the target rather than its mean.

    `max(q (y - p), (q - 1)(y - p))`: half of the absolute error at q = 0.5. With a list of quantiles there is one
    prediction for each of them, all of the same target. Where prediction and target are equal, the gradient is 0.

    Shapes:
        For a number: y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C.
        For a list: y_pred: `(B, ..., Q)`; y_true: `(B, ...)` or `(B, ..., 1)`. Values: `(B, ...)`, the mean over Q.

    Raises:
        ValueError: If a quantile is not in (0, 1), or if the shapes do not fit, as `(B, Q)` targets of Q > 1 quantiles.

    Reference:
        Koenker & Bassett, Regression Quantiles, Econometrica 46(1), 1978, doi:10.2307/1913643.

    Example:
        >>> loss = Quantile(quantiles=[0.1, 0.5, 0.9])
        >>> print(f"{loss([5.0], [[3.0, 5.0, 6.0]]):.4f}")
        0.1000
    """

    predictions = "numbers, one per quantile"
    targets = "numbers"
    use = "a quantile of the target instead of its mean; several of them as prediction intervals"

    quantiles: float | list[float] = numbers(default=0.5, above=0, below=1, doc="One, or Q of them.")

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        if not isinstance(self.quantiles, list):
            return super().align(y_true, y_pred)
        pred = shapes.with_last_axis(y_pred)
        *positions, width = tuple(pred.shape) or (None,)
        fits = shapes.fits(y_true.shape, positions) or shapes.fits(y_true.shape, (*positions, 1))
        if not positions or width != len(self.quantiles) or not fits:
            expected = f"y_pred of shape (..., {len(self.quantiles)}), and y_true of shape (...) or (..., 1)"
            raise shapes.mismatch(expected, y_true, y_pred)
        # Reshaped, not broadcast from what it is: a last axis of unknown size may turn out to be the quantiles'.
        target = ops.reshape(y_true, (*ops.shape(pred)[:-1], 1))
        return ops.broadcast_to(target, ops.shape(pred)), pred

    def cost(self, error: Any) -> Any:
        return self._weight(error) * ops.abs(error)

    def slope(self, error: Any) -> Any:
        return self._weight(error) * ops.sign(error)

    def _weight(self, error: Any) -> Any:
        q = self.per_output("quantiles", error.shape[-1])
        return _by_sign(error, 1.0 - q, q)


class Expectile(ErrorLoss, key="expectile"):
    """Squared error that weighs predictions above and below the target differently.

    `abs(tau - 1[y < p]) (y - p)**2`: half of the squared error at tau = 0.5; its minimum is the tau-expectile.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit squared.

    Reference:
        Newey & Powell, Asymmetric Least Squares Estimation and Testing, Econometrica 55(4), 1987,
        doi:10.2307/1911031.

    Example:
        >>> loss = Expectile(tau=0.9)
        >>> print(f"{loss([[0.0, 0.0]], [[1.0, -1.0]]):.4f}")
        0.5000
    """

    use = "errors to one side that cost more, with smooth gradients"

    tau: float = number(
        default=0.5, above=0, below=1, doc="The weight of predictions that are too low; the others have 1 - tau."
    )

    def cost(self, error: Any) -> Any:
        return _by_sign(error, 1.0 - self.tau, self.tau) * ops.square(error)

    def slope(self, error: Any) -> Any:
        return _by_sign(error, 2.0 - 2.0 * self.tau, 2.0 * self.tau) * error


class Charbonnier(ErrorLoss, key="charbonnier"):
    """Absolute error with a rounded tip, a smooth L1 loss for image restoration.

    `sqrt((y_pred - y_true)**2 + epsilon**2)`: a perfect prediction costs epsilon.

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, in that unit.

    Reference:
        Charbonnier et al., Two Deterministic Half-Quadratic Regularization Algorithms for Computed Imaging, ICIP 1994;
        in this form Lai et al., Fast and Accurate Image Super-Resolution with Deep Laplacian Pyramid Networks,
        arXiv:1710.01992.

    Example:
        >>> loss = Charbonnier(epsilon=3.0)
        >>> print(f"{loss([[0.0, 0.0]], [[0.0, 4.0]]):.4f}")
        4.0000
    """

    use = "image restoration, smooth L1"

    epsilon: float = number(
        default=1e-3,
        above=0,
        doc="In the unit of the targets; the errors below which the loss is rather squared than absolute.",
    )

    def cost(self, error: Any) -> Any:
        return numerics.hypot(error, self.epsilon)

    def slope(self, error: Any) -> Any:
        return error / self.cost(error)


class GeneralRobust(ErrorLoss, key="general_robust"):
    """One family from squared error (alpha = 2) to losses that ignore outliers (alpha below 0).

    With e = y_pred - y_true and b = abs(alpha - 2): `b / alpha * (((e / scale)**2 / b + 1)**(alpha / 2) - 1)`, and its
    limits `(e / scale)**2 / 2` at alpha = 2, `log((e / scale)**2 / 2 + 1)` at 0 and `1 - exp(-(e / scale)**2 / 2)` at
    -inf. Known members: pseudo-Huber (1), Cauchy (0), Geman-McClure (-2), Welsch (-inf).

    Shapes:
        y_true, y_pred: `(B, ..., C)` in any unit, or `(B,)`. Values: `(B, ...)`, the mean over C, without a unit.

    Reference:
        Barron, A General and Adaptive Robust Loss Function, arXiv:1701.03077, equation 8.

    Example:
        >>> loss = GeneralRobust(alpha=-2.0)
        >>> print(f"{loss([[0.0, 0.0]], [[2.0, 2000.0]]):.4f}")
        1.5000
    """

    use = "outliers, with a dial from squared error to Huber, Cauchy, Geman-McClure and Welsch"

    alpha: float | str = number(
        default=1.0, minus_infinity=True, doc="The lower, the less outliers weigh; -inf is allowed."
    )
    scale: float = number(
        default=1.0, above=0, doc="In the unit of the targets; the size of errors beyond which they are outliers."
    )

    # With b = abs(alpha - 2) and s = sqrt((e / scale)**2 / b + 1), the loss is b / alpha * (s**alpha - 1) and its slope
    # e / scale**2 * s**(alpha - 2).

    def cost(self, error: Any) -> Any:
        alpha, b = self._alpha_and_b()
        if numerics.is_fixed_at(alpha, 2.0, -math.inf):
            half = 0.5 * ops.square(error * (1.0 / self.scale))
            # 1 - exp(-x) without cancellation, and in half the time of expm1.
            return half if numerics.is_fixed_at(alpha, 2) else numerics.tanh(0.5 * half) * (1.0 + ops.exp(-half))
        x = error * (1.0 / (b**0.5 * self.scale))
        s = numerics.hypot(x, 1.0)
        if numerics.is_fixed_at(alpha, -2):
            return 2.0 * ops.square(x / s)
        rise = x * (x / (s + 1.0))  # s - 1
        if numerics.is_fixed_at(alpha, 1):
            return rise
        if numerics.is_fixed_at(alpha, 0):
            return 2.0 * ops.log1p(rise)
        half = (0.5 * alpha) * ops.log1p(rise)
        # expm1(2x) = tanh(x) (exp(x)**2 + 1); the factor b / alpha between the two powers keeps them finite.
        power, factor = ops.exp(half), b / alpha
        return numerics.tanh(half) * ((factor * power) * power + factor)

    def slope(self, error: Any) -> Any:
        alpha, b = self._alpha_and_b()
        inverse = 1.0 / self.scale
        if numerics.is_fixed_at(alpha, 2):
            return error * (inverse * inverse)
        if numerics.is_fixed_at(alpha, -math.inf):
            x = error * inverse
            return x * (ops.exp(-0.5 * ops.square(x)) * inverse)
        x, factor = error * (inverse / b**0.5), inverse * b**0.5
        s = numerics.hypot(x, 1.0)
        # In two factors, x / s and the rest: s**(alpha - 2) may be too small for a float where the slope is not.
        slope = factor * (x / s)
        if numerics.is_fixed_at(alpha, 1.0, 0.0, -2.0):
            return functools.reduce(ops.multiply, [1.0 / s] * int(1.0 - alpha), slope)
        return slope * ops.exp((alpha - 1.0) * ops.log1p(x * (x / (s + 1.0))))

    def _alpha_and_b(self) -> tuple[Any, Any]:
        """Alpha, or the limit from which the precision of the computation cannot tell it, and abs(alpha - 2)."""
        near = 1e-9 if self.compute_dtype == "float32" else 1e-18
        alpha: Any = self.alpha
        if ops.is_tensor(alpha):
            # One that moves passes the limits 0 and 2 close by, where the general formula is exact as well.
            b = ops.abs(numerics.away_from_zero(alpha - 2.0, near))
            return numerics.away_from_zero(alpha, near), b
        alpha = min(float(alpha), 10.0 / near)
        if alpha < -1.0 / near:
            alpha = -math.inf
        alpha = next((limit for limit in (0.0, 2.0) if abs(alpha - limit) < near), alpha)
        return alpha, abs(alpha - 2.0)


class GaussianNLL(RegressionLoss, key="gaussian_nll"):
    """Negative log-likelihood of a normal distribution whose mean and variance are both predicted.

    `0.5 (s + e**2 / exp(s))` with e = mean - y_true and s the predicted logarithm of the variance, clipped to
    [-30, 30]; times `exp(s)**beta`, through which no gradient flows. Beta = 0 is the likelihood itself; 0.5, as the
    paper advises, keeps badly fitted points from being explained by a large variance; at 1 the gradient of the mean is
    that of the squared error.

    Shapes:
        y_true: `(B, ..., C)` in any unit, or `(B,)`. y_pred: `(B, ..., 2C)`, the C means and then the C logarithms of
        the variances. Values: `(B, ...)`, the mean over C, in nats.

    Raises:
        ValueError: If beta is negative, or if `y_pred` is not twice as wide as `y_true`.

    Reference:
        Nix & Weigend, Estimating the Mean and Variance of the Target Probability Distribution, ICNN 1994; beta: Seitzer
        et al., On the Pitfalls of Heteroscedastic Uncertainty Estimation, arXiv:2203.09168, equation 5.

    Example:
        >>> loss = GaussianNLL()
        >>> print(f"{loss([3.0], [[1.0, 0.0]]):.4f}")
        2.0000
    """

    predictions = "means, then log-variances"
    targets = "numbers"
    use = "a mean and its uncertainty"

    beta: float = number(
        default=0.0, at_least=0, doc="How much of the weight 1 / variance of the squared error is taken back."
    )
    full: bool = flag(default=False, doc="Whether to add the constant `0.5 log(2 pi)`, before the factor.")

    @property
    def holds(self) -> bool:  # type: ignore[override]
        return self.beta > 0

    def align(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        target = shapes.with_last_axis(y_true)
        *positions, outputs = tuple(target.shape) or (None,)
        width = None if outputs is None else 2 * outputs
        if not positions or not shapes.fits(y_pred.shape, (*positions, width)) or (y_pred.shape[-1] or 0) % 2:
            raise shapes.mismatch("y_pred of shape (B, ..., 2C) for y_true of shape (B, ..., C)", y_true, y_pred)
        return target, y_pred

    def spread(self, mask: Any) -> Any:
        return ops.concatenate([mask, mask], axis=-1)

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        mean, log_variance = ops.split(y_pred, 2, axis=-1)
        log_variance, error = _clipped(log_variance), mean - y_true
        value = 0.5 * (log_variance + error * (error * ops.exp(-log_variance)))
        if self.full:
            value = value + 0.5 * math.log(2.0 * math.pi)
        return self._scaled(value, log_variance)

    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        mean, log_variance = ops.split(y_pred, 2, axis=-1)
        clipped, error = _clipped(log_variance), mean - y_true
        upstream = self._scaled(upstream, clipped)
        scaled = error * ops.exp(-clipped)
        of_mean = scaled * upstream
        of_log_variance = (0.5 - 0.5 * (error * scaled)) * upstream
        of_log_variance = ops.where(ops.equal(clipped, log_variance), of_log_variance, 0.0)
        return -of_mean, ops.concatenate([of_mean, of_log_variance], axis=-1)

    def _scaled(self, value: Any, log_variance: Any) -> Any:
        return (
            value * ops.exp(self.beta * ops.stop_gradient(log_variance))
            if not numerics.is_fixed_at(self.beta, 0)
            else value
        )


def _clipped(log_variance: Any) -> Any:
    return ops.clip(log_variance, -30.0, 30.0)


class Tweedie(RegressionLoss, key="tweedie"):
    """Deviance of amounts that are often 0 and otherwise positive, such as claims, rain or sales.

    `-y p**(1 - power) / (1 - power) + p**(2 - power) / (2 - power)`, half of the Tweedie deviance up to what depends on
    the target alone. The mean p is clipped from below at 1e-7, and a prediction below that gets no gradient: let the
    model end in `softplus` or `exponential`.

    Shapes:
        y_true, y_pred: `(B, ..., C)`, amounts >= 0 and positive means of them, or `(B,)`. Values: `(B, ...)`, the mean
        over C; their minimum is not 0, and they may be negative.

    Reference:
        Jørgensen, Exponential Dispersion Models, Journal of the Royal Statistical Society B 49(2), 1987,
        doi:10.1111/j.2517-6161.1987.tb01685.x.

    Example:
        >>> loss = Tweedie()
        >>> print(f"{loss([[0.0, 4.0]], [[1.0, 4.0]]):.4f}")
        5.0000
    """

    predictions = "positive means"
    targets = "amounts >= 0"
    use = "amounts that are often 0: claims, rain, sales"

    power: float = number(
        default=1.5,
        above=1,
        below=2,
        doc="That of the mean in the variance: towards 1 as for counts (Poisson), towards 2 as for positive "
        "amounts (gamma).",
    )

    def penalty(self, y_true: Any, y_pred: Any) -> Any:
        mean = numerics.at_least(y_pred, numerics.EPSILON)
        return self._power(mean) * (mean + y_true * ((2.0 - self.power) / (self.power - 1.0)))

    def pull_back(self, upstream: Any, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        mean = numerics.at_least(y_pred, numerics.EPSILON)
        upstream = self._power(mean) * (upstream * (2.0 - self.power))
        of_mean = ops.where(ops.less(y_pred, numerics.EPSILON), 0.0, ((mean - y_true) / mean) * upstream)
        return upstream * (1.0 / (self.power - 1.0)), of_mean

    def _power(self, mean: Any) -> Any:
        """mean**(1 - power) / (2 - power); the root of the default is faster than a logarithm and an exponential."""
        scale = 1.0 / (2.0 - self.power)
        return (
            scale / ops.sqrt(mean)
            if numerics.is_fixed_at(self.power, 1.5)
            else scale * ops.exp((1.0 - self.power) * ops.log(mean))
        )
