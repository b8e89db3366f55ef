"""Who gets a thread."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from executions.engine.pool import Pool
from projects.ids import new_id


@dataclass
class Task:
    execution_id: UUID
    begun: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    is_abandoned: bool = False

    def do(self):
        self.begun.set()
        self.release.wait(10)


@pytest.fixture
def pool():
    made = Pool(4, Task.do)
    yield made
    made.close()


def tasks(count, execution_id=None):
    execution_id = execution_id or new_id()
    return [Task(execution_id) for _ in range(count)]


class TestPool:
    def test_does_everything_at_once_while_there_are_threads(self, pool):
        several = [Task(new_id()) for _ in range(4)]
        for task in several:
            pool.submit(task)

        assert all(task.begun.wait(5) for task in several)
        for task in several:
            task.release.set()

    def test_keeps_nothing_of_what_is_done(self, pool):
        task = Task(new_id())
        kept = weakref.ref(task)
        pool.submit(task)
        assert task.begun.wait(5)
        task.release.set()
        del task

        until = time.monotonic() + 5
        while kept() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert kept() is None

    def test_leaves_room_beside_an_execution_with_many_slow_nodes(self, pool):
        slow, quick = tasks(10), Task(new_id())
        for task in slow:
            pool.submit(task)
        pool.submit(quick)

        assert quick.begun.wait(5)
        assert all(task.begun.wait(5) for task in slow[:3])
        assert not any(task.begun.is_set() for task in slow[3:])
        for task in (*slow, quick):
            task.release.set()

    def test_gives_a_free_thread_to_who_has_the_fewest_at_work(self, pool):
        many = tasks(3)
        for task in many:
            pool.submit(task)
        last_thread = Task(new_id())
        pool.submit(last_thread)
        assert all(task.begun.wait(5) for task in (*many, last_thread))
        more, other = Task(many[0].execution_id), Task(new_id())
        pool.submit(more)
        pool.submit(other)

        last_thread.release.set()

        assert other.begun.wait(5)
        assert not more.begun.is_set()
        for task in (*many, more, other):
            task.release.set()

    def test_does_nothing_that_was_abandoned_while_it_waited(self, pool):
        several = tasks(3)
        for task in several:
            pool.submit(task)
        late = Task(several[0].execution_id, is_abandoned=True)
        after = Task(several[0].execution_id)
        pool.submit(late)
        pool.submit(after)

        several[0].release.set()

        assert after.begun.wait(5)
        assert not late.begun.is_set()
        for task in (*several, after):
            task.release.set()

    def test_is_full_when_something_waits_for_a_thread(self, pool):
        several = [Task(new_id()) for _ in range(4)]
        for task in several:
            pool.submit(task)
        assert all(task.begun.wait(5) for task in several)
        assert not pool.is_full

        pool.submit(waiting := Task(new_id()))

        assert pool.is_full
        for task in (*several, waiting):
            task.release.set()
