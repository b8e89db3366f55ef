from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workflows.http.retry_after import retry_after_seconds

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class TestRetryAfterSeconds:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("3600", 3600),
            ("3601", 3600),
            ("9" * 5000, 3600),
            ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
            ("Monday, 23-Nov-26 12:00:30 GMT", 30),
            ("Mon Nov 23 12:00:30 2026", 30),
            ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
            ("Tue, 24 Nov 2026 12:00:00 GMT", 3600),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("1.5", None),
            ("١٢", None),
            ("Mon, 99 Nov 2026 12:00:30 GMT", None),
            ("Mon, 23 Nov 99999999999 12:00:30 GMT", None),
            ("Mon, 23 Nov 2026 12:00:30 +99999999999999", None),
            ("Fri, 31 Dec 9999 23:59:59 -2359", 3600),
        ],
    )
    def test_reads_seconds_and_dates_within_bounds(self, value, seconds):
        assert retry_after_seconds(value, now=NOON) == seconds
