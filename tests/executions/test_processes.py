"""What a worker says when it starts."""

from __future__ import annotations

import pytest

from executions import processes
from projects.models import AuditEntry

pytestmark = pytest.mark.django_db(transaction=True)


class TestSayWhatIsOpen:
    def test_which_private_networks_may_be_called_stands_in_the_log_and_in_the_audit_log(self, settings, caplog):
        """S-SSRF-1: what an operator opens is seen."""
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["10.1.0.0/16"]

        processes.say_what_is_open()
        processes.say_what_is_open()

        assert [record.ranges for record in caplog.records] == ["10.1.0.0/16"] * 2
        assert AuditEntry.objects.get(action="setting.changed").details["value"] == ["10.1.0.0/16"]

    def test_nothing_is_said_where_nothing_is_open(self, settings, caplog):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []

        processes.say_what_is_open()

        assert caplog.records == []
        assert not AuditEntry.objects.exists()
