"""The admin's pages of executions, node runs and what models cost, the health of the engine, and what a workflow's page shows of it."""

from __future__ import annotations

from executions.admin import approvals, executions, node_runs, outgoing, panels, running, spending

__all__ = ["approvals", "executions", "node_runs", "outgoing", "panels", "running", "spending"]
