"""Whether the web server answers."""

from __future__ import annotations

from config.supervisor.loopback import NoAnswer, ask


def is_up(address: str) -> bool:
    """Test whether ``/health/`` says that all is well. Takes two seconds at most."""
    try:
        return ask("GET", f"{address}/health/", timeout_seconds=2).status == 200
    except NoAnswer:
        return False
