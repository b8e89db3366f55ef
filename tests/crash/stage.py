"""A Segue of its own with servers of its own, all of which may be killed, and failpoints that say when."""

from __future__ import annotations

import signal
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psycopg
from kombu import Connection

from executions.bell import TASK
from tests.builders import definition, node
from tests.crash.history import History
from tests.crash.proxy import Proxy
from tests.crash.service import CountingService, counting_service
from tests.installation import Installation
from tests.processes import children_of, send
from tests.sabotage import DROP_KEYS, MAKE_KEYS
from tests.servers import PostgresServer, ValkeyServer

LEASE_SECONDS = 3
# A lease, a sweep, and then some: how soon everything has gone on after a fault.
RECOVERY_SECONDS = 60


class Failpoints:
    """The rules of an installation's processes, changed while they run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        self.environment = {"SEGUE_FAILPOINTS": f"@{folder}"}

    def arm(self, rules: str) -> None:
        """Replace the rules; what fired before is forgotten."""
        self.disarm()
        time.sleep(0.1)  # Who was held has gone on.
        for released in self._folder.glob("*.go"):
            released.unlink()
        new = self._folder / "rules.new"
        # With a remark, so that it is a new set even if the rules are the same.
        new.write_text(f"{rules}; # {uuid.uuid4()}")
        new.rename(self._folder / "rules")

    def disarm(self) -> None:
        """Let everything go on, and nothing more happen."""
        with suppress(FileNotFoundError):
            (self._folder / "rules").unlink()
        for fired in self._folder.glob("*.fired"):
            self.release(fired.stem)
            fired.unlink()

    def has_fired(self, point: str) -> bool:
        """Whether a process came by."""
        return (self._folder / f"{point}.fired").exists()

    def hold(self, point: str) -> None:
        """Let the next thread that comes by wait there until it is released."""
        self.arm(f"{point}=hold")

    def hold_each(self, points: Collection[str]) -> None:
        """Hold whoever comes by first at each of these points, one after the other."""
        self.arm(";".join(f"{point}=hold" for point in points))

    def held(self) -> str | None:
        """Return where somebody is held who has not been released yet."""
        for fired in self._folder.glob("*.fired"):
            if not fired.with_suffix(".go").exists():
                return fired.stem
        return None

    def release(self, point: str) -> None:
        """Let who waits at a point go on."""
        (self._folder / f"{point}.go").touch()


class Order:
    """One delivery, sent until it is accepted, and its execution."""

    def __init__(self, stage: Stage, path: str, body: dict[str, Any]) -> None:
        self._stage = stage
        self._path = path
        self._body = body
        self.delivery_id = uuid.uuid4().hex
        self.execution_id = ""

    def send(self, *, timeout: float = 5) -> int | None:
        """Send the delivery once. Returns the status of the answer, None without one."""
        try:
            answer = httpx2.post(
                f"{self._stage.segue.url}/webhooks/{self._path}",
                json=self._body,
                headers={"X-Delivery-Id": self.delivery_id},
                timeout=timeout,
                trust_env=False,
            )
        except httpx2.TransportError:
            return None
        if answer.is_success:
            self.execution_id = answer.json()["execution_id"]
        return int(answer.status_code)

    def send_until_accepted(self) -> Order:
        """Send it again and again, as senders do."""
        until = time.monotonic() + RECOVERY_SECONDS
        while not (status := self.send()) or status >= 500:
            assert time.monotonic() < until, f"{status} for {RECOVERY_SECONDS} s"
            time.sleep(0.1)
        return self

    def key(self, node: str) -> str:
        """Return the idempotency key of a node's calls."""
        return f"{self.execution_id}:{node}" if ":" in node else f"{self.execution_id}:{node}:"

    @property
    def has_ended(self) -> bool:
        """Whether its execution is over."""
        return bool(
            self._stage.query(
                "SELECT FROM webhook_deliveries d JOIN workflow_executions e ON e.id = d.execution_id "
                "WHERE d.dedupe_key = %s AND e.completed_at IS NOT NULL",
                self.delivery_id,
            )
        )

    def executions(self) -> list[str]:
        """Return the executions that this delivery has started."""
        found = self._stage.query(
            "SELECT execution_id FROM webhook_deliveries WHERE dedupe_key = %s AND verdict = 'accepted'",
            self.delivery_id,
        )
        return [str(execution_id) for (execution_id,) in found]


class Stage:
    """An installation, and everything around it that can break."""

    def __init__(self, folder: Path, postgres: PostgresServer, broker: ValkeyServer, service: CountingService) -> None:
        self.postgres = postgres
        self.broker = broker
        self.service = service
        self.proxy = Proxy(postgres.socket_folder)
        self.failpoints = Failpoints(folder / "failpoints")
        with psycopg.connect(postgres.url("postgres").replace("postgres://", "postgresql://"), autocommit=True) as root:
            root.execute("CREATE DATABASE segue")
        self.segue = Installation(
            folder,
            database_url=self.proxy.url("segue"),
            broker_url=broker.url,
            ENGINE_LEASE_SECONDS=str(LEASE_SECONDS),
            STORAGE_ROOT=str(folder / "storage"),
            WORKFLOW_MAX_RETRIES="5",
            # The proxy knows statements by their text.
            DATABASE_PREPARED_STATEMENTS="0",
        )
        self.history = History(postgres.url("segue"))
        self.history.install()
        self.started: list[Order] = []
        self.recovery_seconds = RECOVERY_SECONDS
        self._database = "segue"
        self._changed: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    def close(self) -> None:
        """End everything."""
        self.failpoints.disarm()
        self.segue.stop()
        self.proxy.close()

    # --- What runs ------------------------------------------------------------------------------------------------------

    def heal(self, *names: str) -> None:
        """Make everything run that should: the servers, and the processes that are named (``web``, ``worker``)."""
        self.failpoints.disarm()
        self.service.release()
        for server in (self.postgres, self.broker):
            server.restore()
        names = names or ("web", "worker")
        for name in self.segue.names():
            if name in names:
                self.segue.signal(name, signal.SIGCONT)
            else:
                self.segue.kill(name)
        missing = [name for name in names if not self.segue.is_running(name)]
        if missing:
            self.start(*missing)
        self.execute("UPDATE scheduled_jobs SET is_active = false")
        self.service.calls.clear()
        self.started.clear()

    def settle(self) -> None:
        """Let everything that is under way come to its end."""
        self.heal()
        live = "SELECT FROM workflow_executions WHERE completed_at IS NULL"
        self.wait_for(lambda: not self.query(live), what="everything to end")

    def start(self, *names: str) -> None:
        """Start processes, with their failpoints."""
        self.segue.start(*names, **self.failpoints.environment, **self._changed)

    @contextmanager
    def sabotaged(self, environment: dict[str, str], *, recovery_seconds: int = RECOVERY_SECONDS) -> Iterator[None]:
        """Run processes that lack a part, and wait no longer than this for what they should do. All is whole afterwards.

        What they leave undone or have done twice is nobody's any more.
        """
        self._changed, self.recovery_seconds = environment, recovery_seconds
        for name in self.segue.names():
            self.restart(name)
        try:
            yield
        finally:
            self._changed, self.recovery_seconds = {}, RECOVERY_SECONDS
            for name in self.segue.names():
                self.segue.kill(name)
            # With all that speaks of executions: deliveries, node runs, events, approvals.
            self.execute("TRUNCATE workflow_executions, history CASCADE")

    @contextmanager
    def settings(self, **changed: str) -> Iterator[None]:
        """Start processes with other settings meanwhile. They end with it."""
        self._changed = changed
        try:
            yield
        finally:
            self._changed = {}
            for name in self.segue.names():
                if name != "web":
                    self.segue.kill(name)
            self.start("worker")

    @contextmanager
    def database(self, name: str) -> Iterator[None]:
        """Let everything be about another database of the same server meanwhile."""
        self._database, self.segue.environment["DATABASE_URL"] = name, self.proxy.url(name)
        whole, self.history = self.history, History(self.postgres.url(name))
        try:
            yield
        finally:
            self.history = whole
            self._database, self.segue.environment["DATABASE_URL"] = "segue", self.proxy.url("segue")

    @contextmanager
    def without_keys(self) -> Iterator[None]:
        """Let node runs be inserted twice. Goes around :meth:`sabotaged`, which removes what comes of it."""
        self.execute(DROP_KEYS)
        try:
            yield
        finally:
            self.execute(MAKE_KEYS)

    def restart(self, name: str) -> None:
        """SIGKILL a process with its children and start it anew, as a supervisor does."""
        self.segue.kill(name)
        self.start(name)

    def kill_children(self, name: str) -> None:
        """SIGKILL the processes that a server has forked; it forks others."""
        for pid in children_of(self.segue.pid(name)):
            send(pid, signal.SIGKILL)

    def restart_postgres(self) -> None:
        """SIGKILL the server's first process and start it anew."""
        self.postgres.kill()
        self.postgres.start()

    # --- What happens ---------------------------------------------------------------------------------------------------

    def order(self, kind: str = "chain") -> Order:
        """Return a delivery to send to one of the workflows."""
        if kind not in self._paths:
            workflow_id = self.segue.publish(kind, WORKFLOWS[kind](self.service.url))
            self._paths[kind] = self.segue.webhook(workflow_id)["path"]
        order = Order(self, self._paths[kind], {"n": len(self.started)})
        self.started.append(order)
        return order

    def ring(self, times: int) -> None:
        """Ring the bell so many times more."""
        with Connection(self.broker.url) as connection:
            producer = connection.Producer()
            for _ in range(times):
                message = {"task": TASK, "id": uuid.uuid4().hex}
                producer.publish(([], {}, {}), routing_key="segue", headers=message, serializer="json", retry=False)

    def schedule(self) -> Callable[[], list[Any]]:
        """Make a schedule fire from now on, a slot every second, and return what tells the slots that have."""
        workflow_id = self.segue.publish(f"schedule {uuid.uuid4()}", WORKFLOWS["schedule"](self.service.url))
        self.query(
            "UPDATE scheduled_jobs SET next_run = date_trunc('second', now()) WHERE workflow_id = %s RETURNING 1",
            workflow_id,
        )
        return lambda: [
            slot
            for (slot,) in self.query(
                "SELECT scheduled_for FROM workflow_executions WHERE workflow_id = %s", workflow_id
            )
        ]

    def reached(self, point: str) -> None:
        """Wait until a failpoint has acted."""
        self.wait_for(lambda: self.failpoints.has_fired(point), what=f"{point} to be reached")

    def called(self, order: Order, *, times: int = 1) -> None:
        """Wait until the service has been called."""
        self.wait_for(lambda: len(self.service.calls_of(order.execution_id)) >= times, what="the call")

    def wait_for(self, holds: Any, *, what: str, seconds: float | None = None) -> None:
        self.segue.wait_for(holds, seconds=seconds or self.recovery_seconds, what=what)

    def execute(self, statements: str) -> None:
        """Change the database, past the proxy."""
        url = self.postgres.url(self._database).replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statements)

    def query(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database, past the proxy."""
        url = self.postgres.url(self._database).replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(question, values).fetchall()

    def status_of(self, order: Order) -> str:
        """Return the status of an order's execution."""
        ((status,),) = self.query("SELECT status FROM workflow_executions WHERE id = %s", order.execution_id)
        return str(status)

    def blocked_on(self, order: Order) -> str | None:
        """Return what an order's execution waits for."""
        ((blocked_on,),) = self.query("SELECT blocked_on FROM workflow_executions WHERE id = %s", order.execution_id)
        return blocked_on

    # --- What must be true afterwards -----------------------------------------------------------------------------------

    def completes(self, order: Order, *, calls: dict[str, int], more: dict[str, int] | None = None) -> None:
        """Assert that an order has one execution, which completes, records everything once, and calls as often as it may.

        :param calls: how often each node (in a scope: ``node:pass``) calls the service, each time under the same key.
        :param more: how often at most, where a call was in flight at the fault.
        """
        self.failpoints.disarm()
        self.service.release()
        order.send_until_accepted()
        self.wait_for(lambda: self.status_of(order) not in ("pending", "running"), what="the execution to end")
        assert order.executions() == [order.execution_id], order.executions()
        assert self.status_of(order) == "completed", self.query(
            "SELECT error FROM workflow_executions WHERE id = %s", order.execution_id
        )
        assert not (twice := self.history.recorded_twice()), f"recorded twice: {twice}"
        assert not (again := self.history.begun_after_completion()), f"begun after it was recorded: {again}"
        made = Counter(call.key for call in self.service.calls_of(order.execution_id))
        least = {order.key(node): times for node, times in calls.items()}
        most = least | {order.key(node): times for node, times in (more or {}).items()}
        assert made.keys() == least.keys(), made
        assert all(least[key] <= times <= most[key] for key, times in made.items()), made


def call(url: str, **policies: Any) -> dict[str, Any]:
    """Return a node that calls the service."""
    what = {"method": "POST", "url": url, "json": "{{ trigger.body }}"}
    return node("tool", {"tool": "http.request", "with": what}, **policies)


HOOK = node("trigger", {"kind": "webhook", "dedupe_header": "X-Delivery-Id"})
WORKFLOWS: dict[str, Any] = {
    # One effect after the other: what the first one did is recorded with the beginning of the second.
    "chain": lambda url: definition(
        "hook > charge > ship > end",
        hook=HOOK,
        charge=call(url),
        ship=call(url),
        end=node("output", {"value": "{{ trigger.body }}"}),
    ),
    # Two branches at once, and a join that waits for both.
    "join": lambda url: definition(
        "hook > charge > pack > end",
        "hook > ship > pack",
        hook=HOOK,
        charge=call(url),
        ship=call(url),
        pack=call(url),
        end=node("output", {"value": "{{ trigger.body }}"}),
    ),
    # An output that is too large for its row, between two effects.
    "large": lambda url: definition(
        "hook > charge > big > ship > end",
        hook=HOOK,
        charge=call(url),
        big=node("transform", {"value": ["{{ 'x'.repeat(400000) }}"], "steps": [{"operation": "limit", "count": 1}]}),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.big.output[0].length }}"}),
    ),
    # A call in each of three passes, and one after them.
    "loop": lambda url: definition(
        "hook > each > ship > end",
        hook=HOOK,
        each=node("loop", {"items": [10, 20, 30], "accumulator": {"initial": 0, "next": "{{ accumulator + item }}"}}),
        charge=call(url, parent="each"),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.each.output.accumulator }}"}),
    ),
    "schedule": lambda url: definition(
        "clock > end", clock=node("trigger", {"kind": "schedule", "cron": "* * * * * *"})
    ),
    # A timer between two effects.
    "timer": lambda url: definition(
        "hook > charge > rest > ship > end",
        hook=HOOK,
        charge=call(url),
        rest=node("delay", {"for_seconds": 1}),
        ship=call(url),
        end=node("output", {"value": "{{ trigger.body }}"}),
    ),
    # Another workflow in the middle, which makes a call of its own.
    "parent": lambda url: definition(
        "hook > charge > ship > end",
        hook=HOOK,
        charge=node("tool", {"tool": "workflow.run", "with": {"workflow": "child", "input": "{{ trigger.body }}"}}),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.charge.output.result }}"}),
    ),
    "child": lambda url: definition(
        "start > charge > end",
        start=node("trigger", {"kind": "manual"}),
        charge=node("tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": "{{ trigger }}"}}),
        end=node("output", {"value": "{{ input.body.done }}"}),
    ),
    # An event in the middle, which starts another workflow.
    "emitter": lambda url: definition(
        "hook > emit > ship > end",
        hook=HOOK,
        emit=node("tool", {"tool": "event.emit", "with": {"name": "order.taken", "data": "{{ trigger.body }}"}}),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.emit.output.is_duplicate }}"}),
    ),
    "listener": lambda url: definition(
        "heard > charge > end",
        heard=node("trigger", {"kind": "event", "names": ["order.taken"]}),
        charge=node(
            "tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": "{{ trigger.data }}"}}
        ),
        end=node("output", {"value": "{{ input.body.done }}"}),
    ),
    # One execution at once; those that come meanwhile wait, or take the place of the one before.
    "queued": lambda url: definition(
        "hook > charge > end",
        hook=HOOK,
        charge=call(url),
        end=node("output", {}),
        settings={"concurrency": {"max": 1, "on_limit": "queue"}},
    ),
    "newest": lambda url: definition(
        "hook > charge > end",
        hook=HOOK,
        charge=call(url),
        end=node("output", {}),
        settings={"concurrency": {"max": 1, "on_limit": "cancel_oldest"}},
    ),
    # Somebody outside in the middle, who brings an answer or decides.
    "callback": lambda url: definition(
        "hook > ask > ship > end",
        hook=HOOK,
        ask=node("webhook", {"action": "wait"}),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.ask.output.body }}"}),
    ),
    "approval": lambda url: definition(
        "hook > ask",
        "ask.approved > ship > end",
        hook=HOOK,
        ask=node("webhook", {"action": "approve", "title": "Ship it?"}),
        ship=call(url),
        end=node("output", {"value": "{{ nodes.ask.output.decision }}"}),
    ),
    # A call that is given up after two seconds, and made again.
    "impatient": lambda url: definition(
        "hook > charge > ship > end",
        hook=HOOK,
        charge=call(url, timeout_seconds=2, retry={"max_attempts": 3, "backoff": "fixed", "base_seconds": 0.1}),
        ship=call(url),
        end=node("output", {"value": "{{ trigger.body }}"}),
    ),
}


@contextmanager
def stage() -> Iterator[Stage]:
    """Set one up."""
    with (
        tempfile.TemporaryDirectory(prefix="segue-st-", dir="/tmp") as folder,
        PostgresServer() as postgres,
        ValkeyServer(Path(folder) / "broker.sock") as broker,
        counting_service() as service,
    ):
        made = Stage(Path(folder), postgres, broker, service)
        try:
            yield made
        finally:
            made.close()
