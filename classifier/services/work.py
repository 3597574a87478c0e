"""A worker's work: claim, read, predict, store, until nothing is left."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F

from cases import failures
from cases.models import Cell, CellClass, Detection
from cases.models.image import WorkState
from classifier.clock import queue_time
from classifier.fields.frames import Frames
from classifier.inference import Box, BundleError, cut_out, reader_for
from classifier.models import ClassificationJob, ModelRun, ModelVersion, Prediction
from classifier.operations import recording
from classifier.services import queue, runs, searches
from classifier.services.leases import Heartbeat
from classifier.services.registry import ensure_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from classifier.fields.detectors import FieldReader
    from classifier.inference import CellReader, Picture
    from ml.predictor import CellPrediction

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one job: a prediction, or the failure code that says why there is none."""

    job: ClassificationJob
    prediction: CellPrediction | None = None
    milliseconds: float = 0.0
    failure_code: str = ""


def run_pending(
    *,
    predictor: CellReader | None = None,
    field_reader: FieldReader | None = None,
    worker_batches: int | None = None,
    should_stop: Callable[[], bool] = bool,
    give_way: Callable[[], object] = bool,
) -> int:
    """Classify whatever waits for the active model version, search fields, then do what runs ask.

    Three queries when nothing waits, and on PostgreSQL one for the time. Cells come before fields
    and fields before runs: the next of these is claimed only while no cell waits for its name.

    Args:
        predictor: used instead of the version's own, for tests.
        field_reader: used instead of the active detector, for tests.
        worker_batches: leave after this many batches; never when None.
        should_stop: asked before every batch.
        give_way: called again and again while a field is searched, which can take half an hour.

    Returns:
        How many jobs and fields were finished, well or not.

    Raises:
        BundleError, ServiceError: when the model cannot be used; the cells stay queued.
        Exception: whatever broke the model or the storage in mid-batch, after the batch was given
            back with a pause.
    """
    finished = batches = 0
    while not should_stop() and (worker_batches is None or batches < worker_batches):
        now = queue_time()
        version = ModelVersion.objects.active().with_work(now).first()
        if version is None and searches.search_next(
            reader=field_reader, now=now, give_way=give_way
        ):
            finished += 1
            batches += 1
            continue
        if version is None:
            run = ModelRun.objects.with_work(now).select_related("model_version").last()
            if run is None:
                break
            worked = _work_on(run, predictor)
            finished += worked
            batches += worked > 0
            continue
        classified = _classify_waiting(version, predictor)
        if classified is None:
            break
        batches += classified > 0
        finished += classified
    return finished


def name_waiting(
    *, predictor: CellReader | None = None, should_stop: Callable[[], bool] = bool
) -> int:
    """Classify what waits for the active model version, and nothing else.

    Args:
        predictor: as for :func:`run_pending`.
        should_stop: as for :func:`run_pending`.

    Returns:
        How many jobs were finished, well or not.

    Raises:
        As :func:`run_pending`.
    """
    finished = 0
    while not should_stop():
        version = ModelVersion.objects.active().with_work(queue_time()).first()
        classified = None if version is None else _classify_waiting(version, predictor)
        if classified is None:
            break
        finished += classified
    return finished


def _classify_waiting(version: ModelVersion, predictor: CellReader | None) -> int | None:
    """One batch of the queue; returns jobs finished, None when nothing is left to be done."""
    reader = predictor or reader_for(version)
    _note_device(version, reader.device)
    claim = queue.claim_batch(model_version=version, size=settings.CLASSIFY_BATCH_SIZE)
    if claim is not None:
        return _classify(claim, version, reader)
    # All that is left may be cells without jobs, or jobs without attempts.
    return 0 if queue.enqueue_missing(model_version=version) or queue.give_up() else None


def _work_on(run: ModelRun, predictor: CellReader | None) -> int:
    """One batch of a run, or what is to be done between its batches; returns jobs finished.

    A bundle that cannot be used ends the run and nothing else.
    """
    version = run.model_version
    claim = queue.claim_batch(model_version=version, run=run, size=settings.CLASSIFY_BATCH_SIZE)
    if claim is None:
        # The order tells: only when no job can be made nor given up may the run be at its end.
        if not runs.enqueue(run=run) and not queue.give_up():
            runs.finish(run=run)
        return 0
    try:
        reader = predictor or reader_for(version)
    except BundleError as error:
        logger.error("The run of %s is given up. %s", version.name, error)
        runs.fail(run=run, failure_code=error.code)
        return 0
    _note_device(version, reader.device)
    return _classify(claim, version, reader)


def store_results(
    *, claim: queue.Claim, model_version: ModelVersion, device: str, outcomes: Sequence[Outcome]
) -> int:
    """Store a batch in one transaction, as far as its lease still is the caller's.

    Only jobs of the queue give labels, and only while their version is the active one; when another
    was activated meanwhile, the cell goes back to the queue and the prediction is kept beside.

    Returns:
        How many jobs were finished; fewer than given when the lease was taken over meanwhile.
    """
    now = queue_time()
    with transaction.atomic():
        held = ClassificationJob.objects.select_for_update().held_by(claim.token)
        # The run is read here, not from the claim: the queue may have taken the job over.
        ours = dict(held.order_by("pk").values_list("pk", "run_id"))
        if lost := len(outcomes) - len(ours):
            logger.warning("%s results came after their lease was taken over; dropped.", lost)
        read = [each for each in outcomes if each.prediction and each.job.pk in ours]
        fixed = _fixed_meanwhile(read)
        naming = [
            each for each in read if ours[each.job.pk] is None and each.job.cell_id not in fixed
        ]
        active = ModelVersion.objects.active().filter(pk=model_version.pk).exists()
        _store_predictions(read, model_version, device)
        if active:
            _name_cells(naming, model_version)
        else:
            queue.hand_on(cell_ids=[each.job.cell_id for each in naming])
        ClassificationJob.objects.filter(pk__in=[each.job.pk for each in read]).finish(now)
        queue.hand_on(cell_ids=sorted(fixed))
        cells = [each.job.cell_id for each in naming]
        queue.refresh_images(cell_ids=cells)
        unread = [each for each in outcomes if each.failure_code and each.job.pk in ours]
        for each in unread:
            each.job.run_id = ours[each.job.pk]
        for code in sorted({each.failure_code for each in unread}):
            jobs = [each.job for each in unread if each.failure_code == code]
            queue.mark_failed(jobs=jobs, failure_code=code, now=now)
        queue.refresh_cases(cell_ids=cells + queue.cells_named_by([each.job for each in unread]))
    return len(read) + len(unread)


def _fixed_meanwhile(outcomes: Sequence[Outcome]) -> set[int]:
    """Cells whose box a reviewer changed while the model looked: they are shown to it again."""
    seen = {
        each.job.cell_id: each.job.cell.box_version
        for each in outcomes
        if each.job.cell.frame_side is not None
    }
    now = Cell.objects.filter(pk__in=seen).values_list("pk", "box_version") if seen else ()
    return {pk for pk, version in now if version != seen[pk]}


def _store_predictions(
    outcomes: Sequence[Outcome], model_version: ModelVersion, device: str
) -> None:
    """Insert predictions; nothing else changes."""
    classes = CellClass.objects.in_bulk(model_version.classes, field_name="code")
    predictions = []
    for outcome in outcomes:
        found = outcome.prediction
        assert found is not None  # noqa: S101 - the caller passes only these; for the type checker
        strip, peaks = found.heatmap_strip()
        predictions.append(
            Prediction(
                cell_id=outcome.job.cell_id,
                model_version=model_version,
                predicted_class=classes[found.predicted_class],
                confidence=found.confidence,
                probabilities=[float(value) for value in found.probabilities],
                heatmaps=strip,
                heatmap_peaks=peaks,
                embedding=found.embedding_bytes(),
                unfamiliarity=(found.unfamiliarity if math.isfinite(found.unfamiliarity) else None),
                unfamiliar=found.unfamiliar,
                preprocessing_version=model_version.preprocessing_version,
                device=device[:120],
                box_version=outcome.job.cell.box_version,
                milliseconds=outcome.milliseconds,
            )
        )
    # A retried cell may have been predicted already, just before somebody put it back.
    Prediction.objects.bulk_create(predictions, ignore_conflicts=True)


def _name_cells(outcomes: Sequence[Outcome], model_version: ModelVersion) -> None:
    """Bring cells in line with what the active version said; a reviewer's label stays.

    A cell that resembles nothing the model has learnt gets no label: nothing counts it, and a
    reviewer has to look. So they have to where the detector found a white cell and the model calls
    it a platelet, or the other way round: one of them is wrong, however sure.
    """
    classes = CellClass.objects.in_bulk(model_version.classes, field_name="code")
    on_fields = [each.job.cell_id for each in outcomes if each.job.cell.frame_side is not None]
    found = Detection.objects.kinds_of(on_fields) if on_fields else {}
    cells = []
    for outcome in outcomes:
        said = outcome.prediction
        assert said is not None  # noqa: S101 - as above
        named = classes[said.predicted_class]
        kind = found.get(outcome.job.cell_id)
        disputed = kind is not None and (kind == Detection.Kind.PLATELET) != (
            named.group == CellClass.Group.PLATELET
        )
        unsure = said.confidence < model_version.review_threshold
        doubtful = said.unfamiliar or unsure or disputed
        called = None if said.unfamiliar else named
        cell = Cell(
            pk=outcome.job.cell_id,
            label=called,
            label_source=(Cell.LabelSource.NONE if said.unfamiliar else Cell.LabelSource.MODEL),
            unfamiliar=said.unfamiliar,
            review_state=(
                Cell.ReviewState.NEEDS_REVIEW if doubtful else Cell.ReviewState.UNREVIEWED
            ),
            model_label=called,
            confidence=said.confidence,
            state=WorkState.DONE,
        )
        cell.version = F("version") + 1
        cells.append(cell)
    # In the fixed order of keys: corrections lock cells too. The label's condition is in the
    # statement itself, so a correction made a moment ago is seen.
    keys = [cell.pk for cell in cells]
    list(Cell.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
    Cell.objects.exclude(label_source=Cell.LabelSource.REVIEWER).bulk_update(
        cells, ["label", "label_source", "review_state", "version"]
    )
    Cell.objects.bulk_update(
        cells, ["model_label", "confidence", "unfamiliar", "state", "failure_code"]
    )
    # Whoever flagged a cell before the model saw it still wants it looked at.
    flagged = Cell.objects.filter(pk__in=keys, flagged=True)
    flagged.exclude(label_source=Cell.LabelSource.REVIEWER).update(
        review_state=Cell.ReviewState.NEEDS_REVIEW
    )


def _classify(claim: queue.Claim, version: ModelVersion, reader: CellReader) -> int:
    """Run one claimed batch; no transaction is open while files are read and the model works."""
    size = len(claim.jobs)
    recording.begin_batch(model_name=version.name, device=reader.device)
    with Heartbeat(partial(queue.renew_lease, token=claim.token)):
        code = failures.FILE_UNREADABLE
        try:
            outcomes, pictures = _read(claim.jobs)
            code = failures.MODEL_ERROR
            started = time.perf_counter()
            predictions = reader.predict(list(pictures.values())) if pictures else []
            share = (time.perf_counter() - started) * 1000 / max(len(pictures), 1)
            for job, found in zip(pictures, predictions, strict=True):
                outcomes.append(
                    Outcome(job, failure_code=found.error)
                    if found.error
                    else Outcome(job, found, share)
                )
            code = failures.NOT_STORED
            finished = store_results(
                claim=claim, model_version=version, device=reader.device, outcomes=outcomes
            )
        except Exception:
            logger.exception("A batch of %s cells failed and is given back.", size)
            recording.end_batch(size=size, failed=True)
            queue.release(token=claim.token, failure_code=code)
            raise
    recording.end_batch(
        size=size,
        milliseconds=[each.milliseconds for each in outcomes if each.prediction],
        failures=[each.failure_code for each in outcomes if each.failure_code],
        failed=False,
    )
    return finished


def _read(
    jobs: Sequence[ClassificationJob],
) -> tuple[list[Outcome], dict[ClassificationJob, Picture]]:
    """Read the jobs' files: those that failed already, and the pictures of the others.

    Raises:
        OSError: when the storage answers with anything but a file or its absence.
    """
    failed: list[Outcome] = []
    pictures: dict[ClassificationJob, Picture] = {}
    with Frames() as frames:
        for job in sorted(jobs, key=lambda each: each.cell.image_id):
            _read_one(job, frames, failed, pictures)
    return failed, pictures


def _read_one(
    job: ClassificationJob,
    frames: Frames,
    failed: list[Outcome],
    pictures: dict[ClassificationJob, Picture],
) -> None:
    """Read one job's picture: of a cell on a field its frame, else its box."""
    cell = job.cell
    data = b""
    try:
        if cell.frame_side is not None:
            pictures[job] = frames.cut(cell)
            return
        with cell.image.file.open("rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        logger.error("The file of image %s is missing: %s", cell.image_id, cell.image.file)
        failed.append(Outcome(job, failure_code=failures.FILE_MISSING))
        return
    except ValueError as error:
        logger.warning("Field %s could not be decoded: %s", cell.image_id, error)
        failed.append(Outcome(job, failure_code=failures.UNDECODABLE))
        return
    try:
        pictures[job] = cut_out(data, Box(cell.left, cell.top, cell.width, cell.height))
    except OSError as error:
        logger.warning("Image %s could not be decoded: %s", cell.image_id, error)
        failed.append(Outcome(job, failure_code=failures.UNDECODABLE))


def _note_device(version: ModelVersion, device: str) -> None:
    """Keep where the version runs, for the model page; written only when it changed."""
    if version.device != device[:120]:
        ModelVersion.objects.filter(pk=version.pk).update(device=device[:120])


def start_up() -> None:
    """Prepare a worker that has just started: a registered model, loaded and warm.

    Raises:
        BundleError, ServiceError: when the model cannot be used; cells stay queued meanwhile.
    """
    ensure_model()
    searches.start_up()
    version = ModelVersion.objects.active().first()
    if version is not None:
        reader_for(version)
