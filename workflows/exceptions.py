"""What can go wrong with workflows."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid, NotFound, PreconditionFailed


class IllegalWorkflowTransition(Conflict):
    """The workflow is not in a status that allows this."""

    code = "illegal_transition"


class WorkflowArchived(Conflict):
    """An archived workflow is read-only."""

    code = "workflow_archived"


class NameTaken(Conflict):
    """Another workflow of the project has this name."""

    code = "name_taken"


class InvalidDefinition(Invalid):
    """The definition has problems; ``problems`` lists them all."""

    code = "invalid_definition"


class DraftChanged(PreconditionFailed):
    """Somebody saved the draft since it was read."""

    code = "draft_changed"


class UnknownVersion(NotFound):
    """The workflow has no version with this number."""

    code = "unknown_version"


class InvalidVariable(Invalid):
    """A variable's name or value is not allowed."""

    code = "invalid_variable"


class VariableInUse(Conflict):
    """What new executions run asks for the variable."""

    code = "variable_in_use"
