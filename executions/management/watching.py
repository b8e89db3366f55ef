"""What commands that watch an execution share."""

from __future__ import annotations

import json
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from executions import services
from executions.live.console import watch
from executions.models import ExecutionStatus, WorkflowExecution

# What a shell says of a command that Ctrl-C has ended.
INTERRUPTED = 130


def watch_to_the_end(command: BaseCommand, execution_id: UUID, *, seconds: float) -> None:
    """Print what happens to an execution, and then what came of it.

    Ctrl-C ends the watching, and nothing else.

    :raises CommandError: if it is not there, has not ended in time, or has not completed.
    """
    again = f"It goes on; see more of it with: manage.py watch_execution {execution_id}"
    try:
        ended = watch(execution_id, seconds=seconds, out=command.stdout)
    except WorkflowExecution.DoesNotExist:
        raise CommandError(f"There is no execution {execution_id}.") from None
    except KeyboardInterrupt:
        command.stdout.write("")
        raise CommandError(f"No longer watched. {again}", returncode=INTERRUPTED) from None
    if not ended.has_ended:
        raise CommandError(f"It is still {ended.status} ({ended.blocked_detail or 'under way'}). {again}")
    if ended.status != ExecutionStatus.COMPLETED:
        raise CommandError(f"{ended.status}: {(ended.error or {}).get('message', '')}")
    command.stdout.write(command.style.SUCCESS(f"completed in {ended.duration_seconds:.2f} s"))
    command.stdout.write(json.dumps(services.result_of(ended), indent=2, ensure_ascii=False))
