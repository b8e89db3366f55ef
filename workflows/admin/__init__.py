"""The admin's pages of workflows, their versions and their variables."""

from __future__ import annotations

from workflows.admin import variables, versions, workflows

__all__ = ["variables", "versions", "workflows"]
