"""The admin's pages of executions, node runs and what models cost, the health of the engine, and what a workflow's page shows of it."""

from __future__ import annotations

from executions.admin import (
    approvals,
    conversations,
    executions,
    live_texts,
    node_runs,
    outgoing,
    panels,
    running,
    spending,
    workers,
)

__all__ = [
    "approvals",
    "conversations",
    "executions",
    "live_texts",
    "node_runs",
    "outgoing",
    "panels",
    "running",
    "spending",
    "workers",
]
