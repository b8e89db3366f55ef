"""A worker of the test's own, and a service that it calls."""

from __future__ import annotations

from tests.executions.engine.carrying import httpserver, worker

__all__ = ["httpserver", "worker"]
