"""The admin's pages of triggers, webhooks, deliveries and schedules."""

from __future__ import annotations

from triggers.admin import deliveries, events, panels, polls, schedules, triggers, webhook_tests, webhooks

__all__ = ["deliveries", "events", "panels", "polls", "schedules", "triggers", "webhook_tests", "webhooks"]
