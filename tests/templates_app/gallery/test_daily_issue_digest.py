"""Every morning the open issues of a repository are read, and the chat gets a digest."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone
from werkzeug import Response


def issue(number, author, *, comments=0, days=1, **more):
    return {
        "number": number,
        "title": f"Issue {number}",
        "html_url": f"https://github.example/segue/issues/{number}",
        "user": {"login": author} if author else None,
        "comments": comments,
        "created_at": (timezone.now() - timedelta(days=days, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **more,
    }


@pytest.fixture
def digest(stage, service, chat):
    def with_issues(issues):
        service.expect_request(
            "/repos/ada/segue/issues",
            query_string={"state": "open", "sort": "created", "per_page": "100"},
            headers={"Authorization": "Bearer ghp_secret", "Accept": "application/vnd.github+json"},
        ).respond_with_json(issues)
        return stage(
            "daily-issue-digest",
            REPOSITORY="ada/segue",
            GITHUB_TOKEN="ghp_secret",
            GITHUB_API=service.url_for("").rstrip("/"),
            CHAT_WEBHOOK_URL=service.url_for("/chat"),
        )

    return with_issues


class TestDailyIssueDigest:
    def test_tells_what_is_discussed_and_by_whom(self, digest, chat):
        pull_request = issue(9, "bob", comments=99, pull_request={"url": "…"})
        morning = digest(
            [issue(1, "ada", comments=1, days=3), issue(2, "bob", comments=7), issue(3, "ada", days=5), pull_request]
            + [issue(number, None) for number in (4, 5, 6)]
        )

        execution = morning.fire()

        (text,) = chat()
        assert text.splitlines() == [
            "ada/segue: 6 open issues",
            "",
            "Most discussed",
            "• #2 Issue 2 (7 comments, 1 day old)",
            "• #1 Issue 1 (1 comment, 3 days old)",
            "• #3 Issue 3 (0 comments, 5 days old)",
            "• #4 Issue 4 (0 comments, 1 day old)",
            "• #5 Issue 5 (0 comments, 1 day old)",
            "",
            "Opened by",
            "• ghost: 3",
            "• ada: 2",
            "• bob: 1",
        ]
        assert execution.result["issues"] == 6
        assert execution.result["authors"][0] == {"author": "ghost", "issues": 3}
        assert set(morning.way()) == {"mornings", "fetch", "issues", "any", "discussed", "authors", "post", "posted"}

    def test_says_at_least_where_it_has_not_read_all(self, digest, service, chat):
        morning = digest([])
        service.clear()
        service.expect_request("/chat", method="POST").respond_with_data("ok")
        numbers = count(1)

        def endless(request):
            number = next(numbers)
            link = f'<{service.url_for("/repos/ada/segue/issues")}?page={number + 1}>; rel="next"'
            return Response(json.dumps([issue(number, "ada")]), headers={"Link": link})

        service.expect_request("/repos/ada/segue/issues").respond_with_handler(endless)

        morning.fire()

        assert chat()[0].splitlines()[0] == "ada/segue: at least 50 open issues"

    @pytest.mark.parametrize("issues", [[], [issue(1, "ada", pull_request={})]], ids=["nothing", "only pull requests"])
    def test_is_quiet_where_there_is_nothing_to_tell(self, digest, chat, issues):
        morning = digest(issues)

        assert morning.fire().result == {"issues": 0}
        assert chat() == []
        assert morning.way() == ["mornings", "fetch", "issues", "any", "quiet"]
