"""The trials of a sweep in Optuna's storage: taken up by workers, kept over interruptions.

Several machines that name the same database share the work: a trial that waits is given to one
worker only. A trial's setting and result are its user attributes, so that any of the machines can
tell the whole sweep.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import PipelineError
from pipeline.store import canonical_key
from pipeline.sweep.axes import Settings
from pipeline.sweep.plan import METRICS, Range, SweepPlan

_LOCK_SECONDS = 120
_SETTINGS, _RESULT, _ERROR, _WORKER = "settings", "result", "error", "worker"


@dataclass(frozen=True)
class Outcome:
    """A trial that ended, or what is known of one that has not.

    Attributes:
        result: None where it failed or has not ended.
        error: its one line, where it failed.
    """

    settings: Settings
    result: Mapping[str, Any] | None
    error: str | None


class Study:
    """One sweep in one database."""

    def __init__(self, plan: SweepPlan, storage: str) -> None:
        """Opens or begins the study.

        Args:
            storage: SQLAlchemy URL.

        Raises:
            PipelineError: the database cannot be opened.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._plan = optuna, plan
        self._lock = threading.Lock()
        self._taking = _one_process_at_a_time(storage)
        sampled = plan.sampled
        try:
            self._study = optuna.create_study(
                storage=_opened(optuna, storage),
                study_name=plan.name,
                load_if_exists=True,
                direction=METRICS[sampled.metric if sampled else "accuracy"],
                sampler=_sampler(optuna, plan),
            )
        except Exception as error:  # SQLAlchemy's and the drivers' errors have no common type
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise PipelineError(f"sweep: {storage}: cannot be opened: {reason}") from error

    def prepare(self, retry_failed: bool) -> None:
        """Puts settings into the queue that are neither in it nor done.

        A trial of a worker of this machine that is no longer there is queued again; so are failed
        ones where `retry_failed` holds.
        """
        done = set()
        states = self._optuna.trial.TrialState
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state is states.RUNNING and _is_gone(trial.user_attrs.get(_WORKER, "")):
                self._study.tell(trial.number, state=states.FAIL)
                if self._plan.sampled:
                    self._queue(trial.user_attrs.get(_SETTINGS))
                continue
            again = retry_failed and trial.state is states.FAIL
            if _SETTINGS in trial.user_attrs and not again:
                done.add(canonical_key(trial.user_attrs[_SETTINGS]))
        for settings in self._plan.settings:
            if canonical_key(dict(settings)) not in done:
                self._queue(settings)

    def _queue(self, settings: Settings | None) -> None:
        if settings is not None:
            self._study.enqueue_trial({}, user_attrs={_SETTINGS: dict(settings)})

    def run(
        self,
        work: Callable[[Settings], Mapping[str, Any]],
        workers: int,
        ended: Callable[[Outcome], None],
    ) -> None:
        """Works until nothing waits, with so many threads.

        Args:
            work: runs a setting; a PipelineError it raises is recorded, and the sweep goes on.
            ended: called after each, by one thread at a time.
        """
        stop = threading.Event()
        raised: list[BaseException] = []

        def worker() -> None:
            try:
                while not stop.is_set() and self._one(work, ended):
                    pass
            except BaseException as error:
                raised.append(error)
                stop.set()

        threads = [threading.Thread(target=worker, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # join without a limit would not let Ctrl-C through
                thread.join(0.2)
        if raised:
            raise raised[0]

    def _one(
        self, work: Callable[[Settings], Mapping[str, Any]], ended: Callable[[Outcome], None]
    ) -> bool:
        """Takes a trial and runs it; False where none is left."""
        with self._lock, self._taking:
            trial = self._next()
        if trial is None:
            return False
        settings = trial.user_attrs[_SETTINGS]
        states = self._optuna.trial.TrialState
        try:
            result = work(settings)
        except PipelineError as error:
            outcome = Outcome(settings, None, str(error))
            trial.set_user_attr(_ERROR, str(error))
            self._study.tell(trial, state=states.FAIL)
        else:
            outcome = Outcome(settings, result, None)
            trial.set_user_attr(_RESULT, dict(result))
            sampled = self._plan.sampled
            value = result.get(sampled.metric if sampled else "accuracy")
            if value is None:
                self._study.tell(trial, state=states.PRUNED)
            else:
                self._study.tell(trial, value)
        with self._lock:
            ended(outcome)
        return True

    def _next(self) -> Any:
        """A trial for this worker, or None."""
        states = self._optuna.trial.TrialState
        trials = self._study.get_trials(deepcopy=False)
        waiting = any(trial.state is states.WAITING for trial in trials)
        sampled = self._plan.sampled
        if not waiting:
            counted = sum(t.state is not states.FAIL or _ERROR in t.user_attrs for t in trials)
            if sampled is None or counted >= sampled.trials:
                return None
        trial = self._study.ask()
        trial.set_user_attr(_WORKER, _this_worker())
        if _SETTINGS not in trial.user_attrs:
            if sampled is None:  # another machine took the one that waited
                self._study.tell(trial, state=states.FAIL)
                return None
            drawn = {field: _draw(trial, field, r) for field, r in sampled.space.items()}
            trial.set_user_attr(_SETTINGS, drawn)
        return trial

    def outcomes(self) -> list[Outcome]:
        """All settings of the plan in its order, or all that were drawn; the latest of each."""
        latest: dict[str, Outcome] = {}
        for trial in self._study.get_trials(deepcopy=False):
            attributes = trial.user_attrs
            if _SETTINGS in attributes:
                outcome = Outcome(
                    attributes[_SETTINGS], attributes.get(_RESULT), attributes.get(_ERROR)
                )
                latest[canonical_key(outcome.settings)] = outcome
        if self._plan.sampled:
            return list(latest.values())
        return [
            latest.get(canonical_key(dict(settings)), Outcome(settings, None, None))
            for settings in self._plan.settings
        ]


def default_storage(folder: Path) -> str:
    """A SQLite file in the sweep's folder."""
    return f"sqlite:///{folder.absolute() / 'sweep.db'}"


def _opened(optuna: Any, url: str) -> Any:
    """The database; a SQLite file that another writes is waited for."""
    options = {"connect_args": {"timeout": _LOCK_SECONDS}} if url.startswith("sqlite") else {}
    return optuna.storages.RDBStorage(url, engine_kwargs=options)


def _one_process_at_a_time(url: str) -> contextlib.AbstractContextManager[None]:
    """What to hold while a trial is taken.

    SQLite has no SELECT FOR UPDATE, by which Optuna gives a trial to one worker only on other
    databases: two processes would now and then take the same.
    """
    file = url.removeprefix("sqlite:///")
    return contextlib.nullcontext() if file == url else _FileLock(Path(f"{file}.lock"))


class _FileLock(contextlib.AbstractContextManager[None]):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> None:
        self._file = self._path.open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _sampler(optuna: Any, plan: SweepPlan) -> Any:
    sampled = plan.sampled
    if sampled is None:
        return None  # nothing is drawn
    if sampled.sampler == "random":
        return optuna.samplers.RandomSampler(seed=sampled.seed)
    return optuna.samplers.TPESampler(seed=sampled.seed)


def _draw(trial: Any, field: str, values: Range) -> Any:
    if values.choices:
        return trial.suggest_categorical(field, values.choices)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return trial.suggest_int(field, values.low, values.high, log=values.log)
    return trial.suggest_float(field, values.low, values.high, log=values.log)


def _this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(worker: str) -> bool:
    """Whether it was a process of this machine that has ended."""
    host, _, process = worker.rpartition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(process) == os.getpid()


def settled(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    """How many are done, failed, and open."""
    done = sum(outcome.result is not None for outcome in outcomes)
    failed = sum(outcome.error is not None for outcome in outcomes)
    return done, failed, len(outcomes) - done - failed
