"""The gallery's agents, run by real processes: the model is a provider that costs nothing, the services are on loopback."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.journeys.test_github_events import deliver as deliver_signed
from tests.journeys.test_patterns import call, calls_of
from tests.journeys.test_patterns import chat as chat
from tests.journeys.test_patterns import gallery as gallery
from tests.journeys.test_patterns import mail as mail
from tests.journeys.test_patterns import segue as segue
from tests.journeys.test_patterns import service as service
from tests.providers import FakeProvider, calls, fails, says

ISSUES = json.loads((Path(__file__).parents[1] / "data" / "github" / "issues.json").read_text(encoding="utf-8"))
PATIENCE_SECONDS = 120


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def model(provider):
    """What the templates are told of the model."""
    return {"MODEL": "test-model", "MODEL_URL": provider.openai_url, "MODEL_KEY": "sk-test-0123456789abcdef"}


def approval_of(segue, execution_id):
    """Wait for the open approval of an execution, and return it."""
    found = []

    def is_open():
        asked = {"execution": execution_id, "open": "true"}
        found[:] = segue.api.get("/approvals/", params=asked).json()["results"]
        return found

    segue.wait_for(is_open, seconds=PATIENCE_SECONDS, what="the approval to be open")
    return segue.api.get(f"/approvals/{found[0]['id']}/").json()


def decide(segue, approval, verdict, **said):
    answer = segue.api.post(f"/approvals/{approval['id']}/{verdict}/", json=said)
    assert answer.is_success, answer.text


class TestIssueTriage:
    # By a word of the title: what the model says, and what is kept of it. "typo" is no label of the project.
    JUDGED = {
        "Spelling": (
            {"labels": ["typo", "documentation"], "priority": "low", "summary": "A word in the README is misspelt."},
            ["documentation"],
        ),
        "Update the README": (
            {"labels": ["documentation", "bug"], "priority": "normal", "summary": "The README is out of date."},
            ["bug", "documentation"],
        ),
        "package.json": ({"labels": [], "priority": "high", "summary": "package.json is out of date."}, []),
    }

    def kept(self, payload):
        said, labels = next(judged for words, judged in self.JUDGED.items() if words in payload["issue"]["title"])
        return {"issue": payload["issue"]["number"], **said, "labels": labels}

    def test_judges_every_real_payload_at_once(self, segue, gallery, chat, service, provider, model):
        provider.play(
            {
                "rules": [
                    {"when": {"user_contains": "package.json"}, "times": 1, "answer": fails(429, retry_after=1)},
                    {"when": {"user_contains": "Update the README", "answers": 0}, "answer": says('{"label": "none"}')},
                    *(
                        {"when": {"ever_contains": words}, "answer": {"json": said}}
                        for words, (said, _) in self.JUDGED.items()
                    ),
                ]
            }
        )
        installed = gallery.install(
            "issue-triage",
            CHAT_WEBHOOK_URL=service.url_for("/chat"),
            ISSUE_ACTIONS=sorted({payload["action"] for payload in ISSUES}),
            **model,
        )
        hook = installed["webhooks"][0]

        def send(number):
            return deliver_signed(
                hook["url"], "issues", ISSUES[number], f"triage-{number}", secret=hook["secret"]
            ).json()["execution_id"]

        with ThreadPoolExecutor(len(ISSUES)) as senders:
            started = list(senders.map(send, range(len(ISSUES))))
        ended = [segue.ended(each, seconds=PATIENCE_SECONDS) for each in started]

        assert len(ISSUES) == 37
        assert Counter(each["status"] for each in ended) == {"completed": 37}, [each["error"] for each in ended]
        assert [each["result"] for each in ended] == [self.kept(payload) for payload in ISSUES]
        assert sorted(chat()) == sorted(
            f"[{judged['priority']}] {payload['repository']['full_name']}#{judged['issue']}: {judged['summary']}"
            + (f" ({', '.join(judged['labels'])})" if judged["labels"] else "")
            + f"\n{payload['issue']['html_url']}"
            for payload, judged in ((payload, self.kept(payload)) for payload in ISSUES)
        )

    def test_leaves_other_events_alone(self, segue, gallery, service, provider, model):
        hook = gallery.install("issue-triage", CHAT_WEBHOOK_URL=service.url_for("/chat"), **model)["webhooks"][0]

        pinned = deliver_signed(hook["url"], "issues", ISSUES[0], "triage-pinned", secret=hook["secret"])

        execution = segue.ended(pinned.json()["execution_id"], seconds=PATIENCE_SECONDS)
        assert execution["result"] == {"triaged": False, "event": "issues"}
        assert provider.requests == []


class TestResearchAndPost:
    @pytest.fixture
    def research(self, segue, gallery, service, chat, provider, model):
        """Return a function that starts the research, and returns the execution's id."""
        service.expect_request("/search", query_string={"srsearch": "ruff"}).respond_with_json({"pages": ["/ruff"]})
        service.expect_request("/ruff").respond_with_data("The ruff is a wader.", content_type="text/plain")
        installed = gallery.install(
            "research-and-post",
            SEARCH_URL=service.url_for("/search"),
            CHAT_WEBHOOK_URL=service.url_for("/chat"),
            ALLOWED_HOSTS=["localhost"],
            **model,
        )
        provider.play(
            {
                "rules": [
                    {
                        "turns": [
                            calls("search", words="ruff"),
                            calls("read_page", url=service.url_for("/ruff")),
                            # The page of a host that is not among the allowed ones.
                            calls("read_page", url="http://127.0.0.1:1/ruff"),
                            calls("post", text="A ruff is a wader."),
                            says("What came of it: {{ result }}"),
                        ]
                    }
                ]
            }
        )
        return lambda: segue.run(installed["id"], {"question": "What is a ruff?"})["id"]

    def told(self, provider):
        """What the model was told of its calls, in the last conversation."""
        return [message["content"] for message in provider.requests[-1].body["messages"] if message["role"] == "tool"]

    def test_posts_what_is_approved(self, segue, research, chat, provider):
        execution_id = research()
        approval = approval_of(segue, execution_id)

        assert approval["details"]["arguments"] == {"text": "A ruff is a wader."}
        assert chat() == [], "nothing is posted before"
        decide(segue, approval, "approve")
        execution = segue.ended(execution_id, seconds=PATIENCE_SECONDS)

        assert execution["status"] == "completed", execution["error"]
        assert chat() == ["A ruff is a wader."]
        assert execution["result"]["tool_calls"] == 4
        searched, read, refused, posted = self.told(provider)
        assert '"/ruff"' in searched
        assert "The ruff is a wader." in read
        assert "host_not_allowed" in refused
        assert '"status": 200' in posted

    def test_posts_what_somebody_has_made_of_it(self, segue, research, chat):
        execution_id = research()

        decide(segue, approval_of(segue, execution_id), "approve", form={"text": "A ruff is a bird."})

        execution = segue.ended(execution_id, seconds=PATIENCE_SECONDS)
        assert '"status": 200' in execution["result"]["answer"]
        assert chat() == ["A ruff is a bird."]

    def test_posts_nothing_that_is_rejected_and_tells_the_agent_why(self, segue, research, chat):
        execution_id = research()

        decide(segue, approval_of(segue, execution_id), "reject", comment="Too short.")

        execution = segue.ended(execution_id, seconds=PATIENCE_SECONDS)
        assert "rejected by owner: Too short." in execution["result"]["answer"]
        assert chat() == []


class TestCustomerAnswers:
    def test_calls_two_workflows(self, segue, gallery, service, provider, model):
        bearer = {"Authorization": "Bearer shop-token"}
        service.expect_request("/orders/A-1", headers=bearer).respond_with_json(
            {"status": "delivered", "total": 30, "currency": "EUR"}
        )
        service.expect_request("/refunds", method="POST", headers=bearer).respond_with_json({"number": "R-1"})
        service.expect_request("/desk", method="POST").respond_with_data("ok")
        shop = {"SHOP_API": service.url_for("").rstrip("/"), "SHOP_TOKEN": "shop-token"}
        children = [gallery.install(slug, **shop)["id"] for slug in ("order-lookup", "order-refund")]
        desk = gallery.install("customer-answers", DESK_URL=service.url_for("/desk"), DESK_TOKEN="desk-token", **model)[
            "webhooks"
        ][0]
        provider.play(
            {
                "rules": [
                    {
                        "when": {"user_contains": words},
                        "turns": [
                            calls("find_order", order="A-1"),
                            calls("refund", order="A-1", amount=amount, reason="It was broken."),
                            says(f"Of A-1, {amount} EUR are on their way."),
                        ],
                    }
                    for words, amount in (("a part", 5), ("all of it", 30))
                ]
            }
        )

        def write(ticket, text):
            return call(desk, json={"ticket": ticket, "text": text}).json()["execution_id"]

        small, large = write("T-1", "I want a part of A-1 back."), write("T-2", "I want all of it back, A-1.")
        answered = segue.ended(small, seconds=PATIENCE_SECONDS)
        waiting = approval_of(segue, large)

        assert answered["result"] == {"ticket": "T-1", "answer": "Of A-1, 5 EUR are on their way.", "tool_calls": 2}
        assert waiting["details"]["arguments"] == {"order": "A-1", "amount": 30, "reason": "It was broken."}
        assert [refund["amount"] for refund in calls_of(service, "/refunds")] == [5], "30 waits for a person"
        decide(segue, waiting, "approve")
        assert segue.ended(large, seconds=PATIENCE_SECONDS)["result"]["answer"] == "Of A-1, 30 EUR are on their way."

        assert [refund["amount"] for refund in calls_of(service, "/refunds")] == [5, 30]
        assert {each["ticket"]: each["text"] for each in calls_of(service, "/desk")} == {
            "T-1": "Of A-1, 5 EUR are on their way.",
            "T-2": "Of A-1, 30 EUR are on their way.",
        }
        for execution_id in (small, large):
            found = segue.api.get("/executions/", params={"parent": execution_id}).json()["results"]
            assert sorted(each["workflow"] for each in found) == sorted(children)
