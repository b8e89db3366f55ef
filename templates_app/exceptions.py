"""What can go wrong with templates."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid, SegueError


class BrokenTemplateFile(SegueError):
    """A file of the gallery is not what a template's file must be."""

    code = "broken_template_file"


class MissingRequirements(Conflict):
    """The template needs node types or tools that this installation does not have."""

    code = "missing_requirements"


class InvalidVariables(Invalid):
    """The variables do not fit what the template asks for; ``problems`` lists everything."""

    code = "invalid_variables"
