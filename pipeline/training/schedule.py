"""The learning rate of every update."""

from __future__ import annotations

import dataclasses
import math

from pipeline.spec import TrainingSpec


def learning_rate_at(training: TrainingSpec, update: int, updates_per_epoch: int) -> float:
    """The learning rate of update `update`, counted from 0.

    Over the first `warmup_epochs` it rises in equal steps to [training] learning_rate. From there
    on it stays ("none"), is multiplied by `decay_factor` after every `decay_every` epochs ("step"),
    or falls along half a cosine to 0 after the last update ("cosine"; Loshchilov and Hutter,
    arXiv:1608.03983, without restarts).
    """
    warmup = training.warmup_epochs * updates_per_epoch
    if update < warmup:
        return training.learning_rate * (update + 1) / warmup
    update -= warmup
    if training.decay == "step":
        drops = update // (training.decay_every * updates_per_epoch)
        return training.learning_rate * training.decay_factor**drops
    if training.decay == "cosine":
        total = training.epochs * updates_per_epoch - warmup
        return training.learning_rate * 0.5 * (1 + math.cos(math.pi * update / total))
    return training.learning_rate


def trained_on(training: TrainingSpec, epochs: int, learning_rate: float) -> TrainingSpec:
    """How a trained model is trained on: as it was trained, but for epochs and learning rate.

    All its layers are trained, without warm-up, dropout and early stopping.
    """
    return dataclasses.replace(
        training,
        epochs=epochs,
        learning_rate=learning_rate,
        warmup_epochs=0,
        dropout=0.0,
        patience=0,
        start_from=None,
        freeze_until=None,
        tensorboard=False,
    )
