"""What the triggers app announces. Sent with ``send`` inside the transaction: a receiver that raises undoes it."""

from __future__ import annotations

from django.dispatch import Signal

# A schedule paused itself. Arguments: job (ScheduledJob), reason, now.
schedule_paused = Signal()
