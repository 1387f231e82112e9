"""Softmax and cross-entropy, as one function of the logits."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Reduction = Literal["mean", "sum"]


def softmax(logits: Array) -> Array:
    """e^z_k / sum e^z over the last axis; the largest logit is taken off first, which changes
    nothing but keeps e^z finite."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def cross_entropy(logits: Array, labels: Labels, reduction: Reduction = "mean") -> float:
    """-log of the probability of the right class, in nats.

    Args:
        logits: (N, classes), labels: (N,), each in 0..classes - 1.
        reduction: over the batch. Under "sum" the gradient, and with it the step of a learning
            rate, is N times as large as under "mean".
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    losses = log_sums - shifted[np.arange(len(labels)), labels]
    return float(losses.mean() if reduction == "mean" else losses.sum())


def cross_entropy_backward(logits: Array, labels: Labels, reduction: Reduction = "mean") -> Array:
    """dL/dlogits (N, classes): softmax minus one-hot labels, over N under "mean"."""
    dlogits = softmax(logits)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits / len(labels) if reduction == "mean" else dlogits
