"""A stage for the gallery's workflows: installed for real, carried by a worker of this process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.services import start_manually
from projects.models import Project
from templates_app.models import WorkflowTemplate
from templates_app.services import Installation, install_template, load_gallery
from tests.clock import NOON
from tests.threads import beside
from tests.triggers.webhooks.senders import send
from triggers.models import ScheduledJob
from triggers.services import fire_due_schedules

PATIENCE_SECONDS = 30


class Stage:
    """One template, installed, and the worker that runs it, if it is to run."""

    def __init__(self, slug: str, *, project: Project, worker: Worker | None, variables: Mapping[str, Any]) -> None:
        load_gallery(now=NOON)
        self.worker = worker
        self.installation: Installation = install_template(
            WorkflowTemplate.objects.get(slug=slug), project=project, variables=variables, by=None, now=NOON
        )
        self.workflow = self.installation.workflow

    @property
    def secret(self) -> str:
        """The secret that was made for the webhook."""
        secret = self.installation.webhooks[0].secret
        assert secret
        return secret

    def ask(self, value: Any, **headers: str) -> HttpResponse:
        """Call the webhook with something that is answered without any work."""
        return send(self.installation.webhooks[0].registration, value, **headers)

    def send(self, value: Any, **headers: str) -> HttpResponse:
        """Call the webhook, and work until it is answered."""
        answers: list[HttpResponse] = []
        caller = beside(lambda: answers.append(self.ask(value, **headers)))
        while caller.is_alive():
            self.work()
        return answers[0]

    def start(self, value: Any) -> WorkflowExecution:
        """Start the workflow by hand."""
        return start_manually(self.workflow, input=value, by=None, now=timezone.now())

    def fire(self) -> WorkflowExecution:
        """Let the schedule's next slot come, and work until the execution that it starts has ended."""
        job = ScheduledJob.objects.get(workflow=self.workflow)
        assert fire_due_schedules(job.next_run) == 1
        return self.ended()

    def ended(self) -> WorkflowExecution:
        """Work until the newest execution has ended, and return it."""
        execution = WorkflowExecution.objects.filter(workflow=self.workflow).latest("created_at", "id")
        until = time.monotonic() + PATIENCE_SECONDS
        while not execution.has_ended:
            assert time.monotonic() < until, f"It is {execution.status}: {execution.blocked_detail}"
            self.work()
            execution.refresh_from_db()
        return execution

    def work(self) -> None:
        """Carry on what is due, and let what sleeps sleep no longer."""
        assert self.worker, "It was installed on the shelf."
        if not self.worker.work():
            time.sleep(0.01)
        past = database_now() - timedelta(seconds=1)
        WorkflowExecutionLog.objects.filter(wake_at__isnull=False).update(wake_at=past)
        WorkflowExecution.objects.filter(wake_at__isnull=False).update(wake_at=past)

    def way(self) -> list[str]:
        """Return the nodes that the newest execution took, in their order."""
        execution = WorkflowExecution.objects.filter(workflow=self.workflow).latest("created_at", "id")
        runs = execution.node_runs.order_by("started_at", "id").values_list("node_id", flat=True)
        return list(dict.fromkeys(runs))


def body_of(response: HttpResponse) -> Any:
    """Return the JSON that was answered."""
    return json.loads(response.content)
