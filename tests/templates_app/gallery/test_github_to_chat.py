"""GitHub calls, the chat hears of it. The payloads are GitHub's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executions.models import WorkflowExecution
from tests.triggers.webhooks.senders import github_headers

DATA = Path(__file__).parents[2] / "data" / "github"
PUSHES, ISSUES = (json.loads((DATA / f"{event}.json").read_text(encoding="utf-8")) for event in ("push", "issues"))
# GitHub's examples are pushes of a tag; these are commits as it describes them.
COMMITS = [
    {"message": f"Mend it, part {number}\n\nWith reasons.", "author": {"name": "Grace"}} for number in range(1, 8)
]


class GitHub:
    """A repository that has the webhook's address and secret."""

    def __init__(self, stage):
        self.way, self.ended = stage.way, stage.ended
        self._stage = stage

    def call(self, event, payload, *, delivery="1"):
        body = json.dumps(payload).encode()
        return self._stage.send(payload, **github_headers(self._stage.secret, body, event=event, delivery=delivery))


@pytest.fixture
def github(stage, service, chat):
    url = service.url_for("/chat")
    return GitHub(stage("github-to-chat", CHAT_WEBHOOK_URL=url, ISSUE_ACTIONS=["pinned", "opened"]))


class TestGitHubToChat:
    def test_tells_the_commits_of_a_push(self, github, chat):
        push = {**PUSHES[0], "ref": "refs/heads/main", "commits": COMMITS}

        assert github.call("push", push).status_code == 202

        execution = github.ended()
        name = push["repository"]["full_name"]
        assert execution.result["told"] is True
        (text,) = chat()
        assert text.splitlines() == [
            f"{push['pusher']['name']} pushed 7 commits to {name} (main)",
            *(f"• Mend it, part {number} (Grace)" for number in range(1, 6)),
            push["compare"],
        ]
        assert github.way() == ["github", "event", "push_message", "notify", "told"]

    def test_tells_one_commit_as_one(self, github, chat):
        github.call("push", {**PUSHES[0], "ref": "refs/heads/master", "commits": COMMITS[:1]})
        github.ended()

        assert "pushed 1 commit to" in chat()[0]

    def test_tells_an_issue_with_its_link(self, github, chat):
        issue = next(payload for payload in ISSUES if payload["action"] == "pinned")

        github.call("issues", issue)

        github.ended()
        number, title, url = (issue["issue"][key] for key in ("number", "title", "html_url"))
        name = issue["repository"]["full_name"]
        assert chat() == [f"{issue['sender']['login']} pinned issue #{number} of {name}: {title}\n{url}"]
        assert github.way() == ["github", "event", "issue_message", "notify", "told"]

    def test_leaves_everything_else_alone(self, github, chat):
        others = [
            ("push", PUSHES[0]),  # A tag.
            ("push", {**PUSHES[0], "ref": "refs/heads/topic", "commits": COMMITS}),
            ("issues", next(payload for payload in ISSUES if payload["action"] == "locked")),
            ("ping", {"zen": "Design for failure."}),
        ]

        for number, (event, payload) in enumerate(others):
            github.call(event, payload, delivery=str(number))

            assert github.ended().result == {"told": False, "event": event}
            assert github.way() == ["github", "event", "ignored"]
        assert chat() == []

    def test_tries_again_when_the_chat_is_down(self, github, service, chat):
        service.expect_oneshot_request("/chat").respond_with_data("down", status=503)

        github.call("issues", ISSUES[0])

        assert github.ended().status == "completed"
        keys = [request.headers["Idempotency-Key"] for request, _ in service.log]
        assert len(keys) == 2
        assert len(set(keys)) == 1

    def test_tells_nobody_the_chats_address(self, github, service):
        """S-SEC-4: whoever knows it can post."""
        github.call("issues", ISSUES[0])
        execution = github.ended()

        kept = json.dumps(list(execution.node_runs.values_list("input_data", "output_data", "error")))
        assert service.url_for("/chat") not in kept

    def test_takes_no_calls_from_others(self, shelf):
        installed = shelf("github-to-chat", CHAT_WEBHOOK_URL="https://chat.example/hook")

        assert installed.ask(ISSUES[0], x_hub_signature_256="sha256=" + "0" * 64).status_code == 401
        assert not WorkflowExecution.objects.exists()
