"""The background thread: batches, bounds, failures that end nothing."""

from __future__ import annotations

import threading
import time
import weakref

import pytest

from zerogravity.worker import BackgroundWorker, OthersLoad


@pytest.fixture
def worker():
    made = []

    def make(work, **options):
        made.append(BackgroundWorker("test", work, **options))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_everything_is_worked_on_in_order(worker):
    batches = []
    each = worker(batches.append)
    for number in range(100):
        each.put(number)
    assert each.flush()
    assert [number for batch in batches for number in batch] == list(range(100))
    assert (each.dropped, each.failures, each.degraded) == (0, 0, None)


def test_what_has_been_worked_on_is_let_go(worker):
    """It may be a turn, with all of its request, and the next one may come tomorrow."""

    class Item:
        pass

    each, item = worker(lambda _: None), Item()
    known = weakref.ref(item)
    each.put(item)
    del item
    assert each.flush()
    assert each.flush()  # the order before is let go with what came with it
    assert known() is None


def test_close_works_on_what_is_queued_and_ends_the_thread(worker):
    batches = []
    each = worker(batches.append)
    each.put(1)
    each.close()
    each.put(2)
    each.close()
    assert batches == [[1]]
    assert each.dropped == 1
    assert "zerogravity-test" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("hurry", ["flush", "close"])
def test_what_comes_in_the_pause_is_one_batch_and_an_order_ends_it(worker, hurry):
    batches = []
    each = worker(batches.append, pause=1000)
    for number in range(3):
        each.put(number)
    getattr(each, hurry)()
    assert batches == [[0, 1, 2]]


def test_a_pause_is_over_by_itself(worker):
    done = threading.Event()
    worker(lambda _: done.set(), pause=0.001).put(1)
    assert done.wait(10)


def test_it_waits_while_others_are_busy_and_no_longer_than_its_patience(worker):
    done, asked = threading.Event(), []

    def load():
        asked.append(1)
        return 0.9

    worker(lambda _: done.set(), pause=0.001, patience=0.02, load=load).put(1)
    assert done.wait(10)
    assert len(asked) > 20, "it looked after each pause"


def test_it_begins_as_soon_as_others_are_not_busy(worker):
    done, loads = threading.Event(), iter([0.0, 0.9, 0.9, 0.9])
    worker(lambda _: done.set(), pause=0.001, patience=1000, load=lambda: next(loads, 0.1)).put(1)
    assert done.wait(10)


@pytest.mark.parametrize("hurry", ["flush", "close"])
def test_an_order_ends_its_patience(worker, hurry):
    batches = []
    each = worker(batches.append, pause=1000, patience=100_000, load=lambda: 1.0)
    each.put(1)
    getattr(each, hurry)()
    assert batches == [[1]]


@pytest.mark.parametrize("why", ["it is told to", "its queue gets full"])
def test_a_lot_to_do_ends_its_patience(worker, why):
    done, pause = threading.Event(), 1000 if why == "it is told to" else 0.001
    each = worker(lambda _: done.set(), limit=5, pause=pause, patience=100_000, load=lambda: 1.0)
    each.put(1)
    if why == "it is told to":
        each.hurry()
    else:
        for number in range(4):
            each.put(number)
    assert done.wait(10)


def test_work_that_is_due_without_an_item_waits_as_well(worker):
    done, loads = threading.Event(), iter([0.9] * 5)
    each = worker(
        lambda _: done.set(), pause=0.001, patience=1000, load=lambda: next(loads, 0.1),
        every=lambda: None if done.is_set() else 0.001,
    )  # fmt: skip
    assert done.wait(10)
    assert next(loads, None) is None
    each.close()


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_the_load_of_others_is_not_ones_own():
    load = OthersLoad()
    load()
    burn(0.05)
    own = load()
    thread = threading.Thread(target=burn, args=(0.1,))
    thread.start()
    thread.join()
    assert own < load()


def test_a_full_queue_drops_and_does_not_wait(worker):
    busy, go, batches = threading.Event(), threading.Event(), []

    def work(batch):
        batches.append(batch)
        busy.set()
        assert go.wait(10)

    each = worker(work, limit=2)
    each.put(1)
    assert busy.wait(10)
    for number in (2, 3, 4, 5):
        each.put(number)
    assert each.dropped == 2
    assert not each.flush(timeout=0), "no place for the flush either"
    go.set()
    each.close()
    assert batches == [[1], [2, 3]]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("as it is"), "as it is"),
        (KeyError("secret"), "KeyError; see the log"),
    ],
)
def test_failing_work_is_reported_once_and_goes_on(worker, error, text):
    reports, failing, done = [], [True], []

    def work(batch):
        if failing[0]:
            raise error
        done.extend(batch)

    each = worker(work, report=reports.append)
    for number in (1, 2):
        each.put(number)
        assert each.flush()
    assert (reports, each.failures, each.degraded) == ([text], 2, text)
    failing[0] = False
    each.put(3)
    assert each.flush()
    assert (reports, done, each.degraded) == ([text, None], [3], None)


def test_a_report_that_fails_does_not_end_the_thread(caplog):
    done = []

    def work(batch):
        if batch == ["bad"]:
            raise OSError("no space")
        done.extend(batch)

    def report(_):
        raise RuntimeError("our bug")

    worker = BackgroundWorker("test", work, report=report)
    worker.start()
    worker.put("bad")
    assert worker.flush()
    worker.put("good")
    assert worker.flush()
    worker.close()
    assert done == ["good"]
    assert "our bug" in caplog.text


def test_nothing_begins_before_it_is_started():
    before = threading.active_count()
    worker = BackgroundWorker("test", print)
    assert threading.active_count() == before
    worker.close()
    worker.put(1)
    assert worker.dropped == 1


def test_work_that_goes_on_is_done_again_and_again_though_nothing_comes(worker):
    batches, often, open_ = [], threading.Event(), [True]

    def work(batch):
        batches.append(batch)
        if len(batches) == 3:
            open_.clear()
            often.set()

    each = worker(work, every=lambda: 0.001 if open_ and batches else None)
    each.put(1)
    assert often.wait(10)
    assert each.flush()
    assert batches == [[1], [], []]


def test_at_the_end_it_is_said_in_the_thread(worker):
    said = []
    each = worker(said.append, ended=lambda: said.append(threading.current_thread().name))
    each.put(1)
    each.close()
    assert said == [[1], "zerogravity-test"]
