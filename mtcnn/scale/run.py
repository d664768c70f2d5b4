"""The run of a command on a cluster: its plan, its actors, what comes back."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mtcnn.errors import MtcnnError
from mtcnn.files import lock, output_error
from mtcnn.pipeline.formats import Skipped
from mtcnn.pipeline.journal import check_settings
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.runtime import handles
from mtcnn.runtime.install import install_command
from mtcnn.runtime.silence import silence
from mtcnn.runtime.text import is_whole
from mtcnn.scale.options import ClusterOptions
from mtcnn.scale.plan import Plan, Planned, make_plan, parts_done, read_counts, read_plan, remove_plan
from mtcnn.scale.storage import Place, is_uri, open_place
from mtcnn.scale.worker import Task, Worker

__all__ = ["Pool", "Run", "alone", "connected", "count_before", "fit_pool", "results", "start_run"]

log = logging.getLogger("mtcnn")

# Ray keeps each waiting task in the driver: beyond this many, a task has several parts.
MOST_TASKS = 2000
_REQUESTS = 16  # at the same time
RETRIES = 10  # of a task whose actor or machine dies; an actor that cannot be reached counts each time it is tried
LOCAL_STORE = 100 << 20  # bytes of Ray's shared memory on this machine: only numbers of parts go through it


@dataclass(frozen=True)
class Pool:
    """The number of actors; and of each the cores, the GPUs and the threads that work on a part."""

    actors: int
    cores: int
    gpus: int
    jobs: int


@dataclass(frozen=True)
class Run:
    """A run that is planned: which parts are to be done."""

    plan: Plan
    remaining: list[int]
    settings: dict[str, Any]
    sources: tuple[str, ...]
    output: str

    @property
    def before(self) -> int:
        """Pictures that were done before."""
        return self.plan.pictures - sum(map(self.plan.count, self.remaining))


def start_run(
    settings: dict[str, Any],
    sources: Sequence[str],
    output: str,
    part_size: int,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Run:
    """List the pictures, or take up the plan that is there.

    Args:
        resume: take it up; overwrite: remove it first, with its parts.

    Raises:
        MtcnnError: there is a plan already and neither `resume` nor `overwrite` is set, or it was made with other
            settings; or there is something else.
    """
    places = [open_place(source) for source in sources]
    there = open_place(output)
    plan = read_plan(there)
    if plan is not None and overwrite:
        remove_plan(there)
        plan = None
    if plan is None:
        if there.files(""):
            raise MtcnnError(f"{there.name} has files already: choose another folder")
        plan = make_plan(there, settings, places, _pictures(places, settings["command"]), part_size)
    else:
        if not resume:
            raise MtcnnError(
                f"{there.name} has results already: go on with --resume, replace them with --overwrite, "
                "or choose another folder"
            )
        check_settings(there.name, plan.settings, settings)
        if plan.sources != [place.lasting for place in places]:
            raise MtcnnError(f"{there.name} was made of other pictures: {', '.join(plan.sources)}")
    done = parts_done(there)
    remaining = [part for part in range(plan.parts) if part not in done]
    # actors are elsewhere: no path is relative there
    named = tuple(source if is_uri(source) else os.path.abspath(source) for source in sources)
    return Run(plan, remaining, settings, named, output if is_uri(output) else os.path.abspath(output))


@contextlib.contextmanager
def alone(output: str) -> Iterator[None]:
    """Writing to a folder of this machine, for one run at a time.

    Object stores know no locks: two runs there do the same work twice.

    Raises:
        OutputError: another run does.
    """
    there = open_place(output)
    if there.filesystem is not None:
        yield
        return
    folder = Path(there.path, "_plan")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = handles.open_handle(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        lock(handle, Path(there.path))
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Connected to a cluster, or with one on this machine until the end.

    Raises:
        MtcnnError: Ray is missing, or no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong is said here, in one line
    _check_reachable(address)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MtcnnError(f"--ray needs Ray Data: {install_command('ray')} ({error})") from error
    local = {"object_store_memory": LOCAL_STORE, "include_dashboard": False} if address == "local" else {}
    try:
        with silence():  # Ray's native code says which log level it was set to
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise MtcnnError(f"no Ray cluster at {address}: {error}") from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # Ray tells of each process that died
        try:
            yield
        finally:
            ray.shutdown()


def count_before(run: Run) -> Counter[str]:
    """What was counted in the parts that are there, as their metadata tell; of very many, the number of pictures."""
    done = sorted(set(range(run.plan.parts)) - set(run.remaining))
    if len(done) > MOST_TASKS:  # a request each
        return Counter(pictures=run.before)
    output = open_place(run.output)
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(_REQUESTS) as threads:
        for part in threads.map(partial(read_counts, output), done):
            counts.update(part or ())
    return counts


def results(run: Run, detector: DetectorOptions, pool: Pool) -> Iterator[Counter[str]]:
    """The counts of each part, as they are done.

    Raises:
        MtcnnError: at the end, where parts could not be done; the others are.
    """
    if not run.remaining:
        return
    import ray.data

    task = Task(run.settings, detector, run.sources, run.output, pool.jobs)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a part whose actor dies again and again is counted below
    tasks = min(len(run.remaining), MOST_TASKS)
    parts = ray.data.from_items([{"part": part} for part in run.remaining], override_num_blocks=tasks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the last two have no other way yet
        done = parts.map_batches(
            Worker,
            batch_size=1,
            fn_constructor_args=(task,),
            compute=ray.data.ActorPoolStrategy(size=min(pool.actors, tasks)),
            num_cpus=pool.cores,
            num_gpus=pool.gpus,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )
    missing = set(run.remaining)
    problems = []
    for row in _rows(done):
        part = json.loads(row["done"])
        if "problem" in part:
            problems.append(part["problem"])
        elif part["part"] in missing:
            missing.remove(part["part"])
            yield Counter(part["counts"])
    if missing:
        why = problems[0] if problems else f"their processes died {RETRIES + 1} times"
        raise MtcnnError(f"{len(missing)} of {run.plan.parts} parts are not done: {why}; try them again with --resume")


def fit_pool(device: str, cluster: ClusterOptions) -> Pool:
    """The actors that the cluster has room for.

    Args:
        device: "cpu", "cuda", or "auto": GPUs where the cluster has any.
        cluster: how it is to be shared out.

    Raises:
        MtcnnError: not one fits.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    most_gpus = max((int(node.get("GPU", 0)) for node in nodes), default=0)
    gpus = int(device == "cuda" or (device == "auto" and most_gpus > 0))
    if gpus:
        nodes = [node for node in nodes if node.get("GPU")]
        fair = min((int(node["CPU"] // node["GPU"]) for node in nodes), default=1)
    else:
        fair = min((int(node["CPU"]) for node in nodes), default=1)
    cores = cluster.cores or cluster.jobs or max(1, min(4, fair))
    fitting = sum(min(int(node["CPU"] // cores), int(node["GPU"]) if gpus else 1 << 30) for node in nodes)
    if not fitting and not cluster.actors:
        needed = f"{cores} cores" + (" and a GPU" if gpus else "")
        raise MtcnnError(f"no machine of the cluster has {needed}; if it will grow, say --actors")
    return Pool(cluster.actors or fitting, cores, gpus, cluster.jobs or cores)


def _rows(done: Any) -> Iterator[dict[str, str]]:
    from ray.exceptions import RayError

    try:
        yield from done.iter_rows()
    except RayError as error:  # the last line is what was raised there
        raise MtcnnError(f"no detector on the cluster: {str(error).strip().splitlines()[-1]}") from error


def _check_reachable(address: str) -> None:
    """Raise where nobody listens, which Ray would wait for."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not is_whole(port):
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise MtcnnError(f"no Ray cluster at {address}: {error.strerror or error}") from error


def _pictures(places: Sequence[Place], command: str) -> Iterator[Planned]:
    """Those that several places have come once, for the first."""
    skipped = Skipped()
    earlier: set[str] = set()  # what earlier places have
    for number, place in enumerate(places):
        now = set()
        for path, file, name, size in place.pictures(skipped):
            if len(places) > 1:
                real = os.path.realpath(path) if place.filesystem is None else file
                if real in earlier:
                    continue
                now.add(real)
            yield Planned(name if command == "align" else file, number, path, size)
        earlier |= now
    if skipped:
        log.warning("skipped: %s", skipped)
