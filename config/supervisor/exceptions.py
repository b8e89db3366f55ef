from __future__ import annotations


class UpError(Exception):
    """Segue cannot be started here. The message says why and what to do; it is all that a person sees."""
