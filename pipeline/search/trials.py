"""What the steps of a search do to networks in .keras files, with every finished training kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data import Dataset
from pipeline.errors import DataError
from pipeline.search.budget import Cost
from pipeline.search.cost_model import CostModel
from pipeline.search.cuts import Cut, apply_cut, cuts_of
from pipeline.search.shrink import Tuned
from pipeline.spec import ExperimentSpec, TrainingSpec
from pipeline.store import RunFolder, canonical_key, sha256_hex

if TYPE_CHECKING:
    from pipeline.training.history import TrainingProgress

_SUBSET = 4  # stream of the seed; pipeline.training.fit has the ones before


@dataclass(frozen=True)
class Saved:
    """A network in the search's folder.

    Attributes:
        name: of its .keras artifact.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class Images:
    """What networks are trained and judged on while the search goes on.

    Attributes:
        training: (images, labels) of the training split without what is held out.
        held_out: (images, labels) of the training split that no network is trained on.
    """

    dataset: Dataset
    training: tuple[Any, Any]
    held_out: tuple[Any, Any]

    def subset(self, samples: int, seed: int, step: int) -> Dataset:
        """A data set of so many training images, others in every step; its test split is what is
        held out, never the data set's own."""
        images, labels = self.training
        generator = np.random.default_rng([seed, _SUBSET, step])
        chosen = generator.permutation(len(images))[:samples]
        return dataclasses.replace(
            self.dataset,
            train_images=images[chosen],
            train_labels=labels[chosen],
            test_images=self.held_out[0],
            test_labels=self.held_out[1],
        )


def search_images(dataset: Dataset, training: TrainingSpec) -> Images:
    """The training split in two, as [training] validation_split divides it.

    Raises:
        DataError: one of the two has no image.
    """
    from pipeline.training.fit import split_training

    kept, held = split_training(dataset, training)
    if not len(kept) or not len(held):
        raise DataError(
            f"search: {len(dataset.train_images)} training images cannot be divided by "
            f"[training] validation_split = {training.validation_split}"
        )
    images, labels = dataset.train_images, dataset.train_labels
    return Images(dataset, (images[kept], labels[kept]), (images[held], labels[held]))


class Trials:
    """The moves of a search; `pipeline.search.shrink.Moves` of saved networks."""

    def __init__(
        self,
        folder: RunFolder,
        spec: ExperimentSpec,
        images: Images,
        costs: CostModel,
        key: str,
        progress: Callable[[str], None],
    ) -> None:
        """Args:
        key: of all that a training's result depends on besides network, cut and step.
        progress: called with what is being done.
        """
        self._folder, self._spec, self._images = folder, spec, images
        self._costs, self._key, self._progress = costs, key, progress
        self._loaded: tuple[str, Any] | None = None
        self._known: dict[tuple[str, Cut], Cost] = {}

    def cuts(self, network: Saved) -> Sequence[Sequence[Cut]]:
        return cuts_of(self._load(network), self._spec.search.multiple)

    def cost(self, network: Saved, cut: Cut) -> Cost:
        place = (network.sha256, cut)
        if place not in self._known:
            self._progress(f"cost of {cut}")
            self._known[place] = self._costs.cost(apply_cut(self._load(network), cut))
        return self._known[place]

    def measure(self, network: Saved) -> Cost:
        self._progress("measuring")
        return self._costs.measure(self._load(network))

    def tune(self, network: Saved, cut: Cut, step: int) -> Tuned[Saved]:
        """The result of an earlier search where it was kept."""
        key = canonical_key(self._key, network.sha256, cut, step)
        name = f"trials/{key[:16]}"
        result = recalled(self._folder, f"{name}.json", key)
        if result is None or not self._folder.file(f"{name}.keras").is_file():
            result = self._train(network, cut, step, f"{name}.keras")
            keep(self._folder, f"{name}.json", key, result)
        saved = Saved(f"{name}.keras", result["sha256"])
        return Tuned(saved, result["accuracy"], result["loss"])

    def score(self, network: Saved) -> Tuned[Saved]:
        """The network as it is, on what is held out."""
        return self._judged(self._load(network), network)

    def _train(self, network: Saved, cut: Cut, step: int, name: str) -> dict[str, Any]:
        from pipeline.training.fit import fit
        from pipeline.training.schedule import trained_on
        from pipeline.training.train import save_network, seeded_keras

        search, seed = self._spec.search, self._spec.training.seed
        self._loaded = None
        seeded_keras(seed)
        smaller = apply_cut(self._load(network), cut)
        self._loaded = None
        schedule = dataclasses.replace(
            trained_on(self._spec.training, search.tune_epochs, search.tune_learning_rate),
            validation_split=0.0,
            curve_every=0,
            seed=(seed + step) % 2**32,
        )
        subset = self._images.subset(search.tune_samples, seed, step)
        fit(smaller, schedule, subset, self._shown(cut), self._spec.augmentation)
        file = self._folder.file(name)
        save_network(smaller, file)
        saved = Saved(name, sha256_hex(file.read_bytes()))
        judged = self._judged(smaller, saved)
        return {
            "sha256": saved.sha256,
            "step": step,
            "cut": str(cut),
            "accuracy": judged.accuracy,
            "loss": judged.loss,
        }

    def _judged(self, network: Any, saved: Saved) -> Tuned[Saved]:
        from pipeline.training.evaluation import Evaluator
        from pipeline.training.task import Task

        scaling = self._images.dataset.scaling
        loss, accuracy = Evaluator(network, scaling, Task.CLASSIFICATION)(*self._images.held_out)
        assert accuracy is not None, "a classifier"
        return Tuned(saved, accuracy, loss)

    def _load(self, network: Saved) -> Any:
        from pipeline.training.architecture import load_keras_model

        if self._loaded is None or self._loaded[0] != network.sha256:
            path = self._folder.file(network.name)
            self._loaded = (network.sha256, load_keras_model(path, "search"))
        return self._loaded[1]

    def _shown(self, cut: Cut) -> Callable[[TrainingProgress], None]:
        def advanced(at: TrainingProgress) -> None:
            done = (at.epoch - 1) * at.batches + at.batch
            if done % 20 == 0:
                self._progress(f"{cut}: training {100 * done // (at.epochs * at.batches)} %")

        return advanced


def recalled(folder: RunFolder, name: str, key: str) -> dict[str, Any] | None:
    """What `keep` wrote with this key; None where there is nothing of it."""
    try:
        kept: Mapping[str, Any] = json.loads(folder.file(name).read_bytes())
        return dict(kept["value"]) if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: RunFolder, name: str, key: str, value: Mapping[str, Any]) -> None:
    """Writes a finished result, whole or not at all."""
    folder.write_json(name, {"key": key, "value": value})
