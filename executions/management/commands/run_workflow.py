"""``manage.py run_workflow``: start a workflow by hand and watch it node by node."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from executions import services
from executions.models import ExecutionStatus, WorkflowExecution
from projects.exceptions import SegueError
from projects.payloads import parse_json
from workflows.models import Workflow

LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = "Start a workflow's newest version and print its node runs as they end. Workers must be running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("workflow", help="The workflow's id, or its name.")
        parser.add_argument("--project", help="The project's name or id, where the workflow's name is not enough.")
        parser.add_argument("--input", default="{}", help="JSON that fits the workflow's inputs. Default: {}")
        parser.add_argument("--trigger", help="The id of the trigger node to begin at.")
        parser.add_argument("--timeout", type=float, default=300, help="How many seconds to watch. Default: 300")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = _find(options["workflow"], options["project"])
        try:
            value = parse_json(options["input"].encode(), max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
            execution = services.start_manually(
                workflow, input=value, by=None, now=timezone.now(), node_id=options["trigger"]
            )
        except SegueError as error:
            problems = [f"  {problem['path']}: {problem['message']}" for problem in getattr(error, "problems", [])]
            raise CommandError("\n".join([error.message, *problems])) from error
        self.stdout.write(f"Execution {execution.pk} of {workflow.name} v{workflow.version}")
        ended = self._watch(execution, seconds=options["timeout"])
        if not ended.has_ended:
            raise CommandError(f"It is still {ended.status} ({ended.blocked_detail or 'under way'}).")
        if ended.status != ExecutionStatus.COMPLETED:
            raise CommandError(f"{ended.status}: {(ended.error or {}).get('message', '')}")
        self.stdout.write(self.style.SUCCESS(f"completed in {ended.duration_seconds:.2f} s"))
        self.stdout.write(json.dumps(services.result_of(ended), indent=2, ensure_ascii=False))

    def _watch(self, execution: WorkflowExecution, *, seconds: float) -> WorkflowExecution:
        until = time.monotonic() + seconds
        seen: set[tuple[UUID, str]] = set()
        while True:
            execution.refresh_from_db()
            for run in execution.node_runs.order_by("started_at", "id"):
                if (run.pk, run.status) not in seen:
                    seen.add((run.pk, run.status))
                    problem = f"  {run.error['message']}" if run.error else ""
                    self.stdout.write(f"  {run.status:<10} {run.node_id} (attempt {run.attempt}){problem}")
            if execution.has_ended or time.monotonic() > until:
                return execution
            time.sleep(LOOK_SECONDS)


def _find(name: str, project: str | None) -> Workflow:
    found = Workflow.objects.select_related("project")
    try:
        found = found.filter(pk=UUID(name))
    except ValueError:
        found = found.filter(name=name)
    if project is not None:
        try:
            found = found.filter(project_id=UUID(project))
        except ValueError:
            found = found.filter(project__name=project)
    matches = list(found[:2])
    if not matches:
        raise CommandError(f"There is no workflow {name!r}{f' in project {project!r}' if project else ''}.")
    if len(matches) > 1:
        raise CommandError(f"Several workflows are called {name!r}. Say which one with --project, or give its id.")
    return matches[0]
