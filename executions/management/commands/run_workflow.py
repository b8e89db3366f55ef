"""``manage.py run_workflow``: start a workflow by hand and watch it node by node."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from executions import services
from executions.management.watching import watch_to_the_end
from projects.exceptions import SegueError
from projects.payloads import parse_json
from workflows.models import Workflow


class Command(BaseCommand):
    help = "Start a workflow's newest version and print its node runs as they begin and end. Workers must be running."

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
        except SegueError as error:
            raise CommandError(error.message.replace("The body", "--input", 1)) from error
        try:
            execution = services.start_manually(
                workflow, input=value, by=None, now=timezone.now(), node_id=options["trigger"]
            )
        except SegueError as error:
            problems = [f"  {problem['path']}: {problem['message']}" for problem in getattr(error, "problems", [])]
            raise CommandError("\n".join([error.message, *problems])) from error
        self.stdout.write(f"Execution {execution.pk} of {workflow.name} v{workflow.version}")
        watch_to_the_end(self, execution.pk, seconds=options["timeout"])


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
