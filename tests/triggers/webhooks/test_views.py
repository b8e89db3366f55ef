"""The public endpoint, as senders meet it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from threading import Semaphore

import pytest
from django.test import Client
from django.utils import timezone

from executions.models import ExecutionStatus, WorkflowExecution
from projects.payloads import MAX_DEPTH
from tests.factories import WebhookFactory
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.senders import github_headers, send, standard_headers
from tests.triggers.workers import a_worker
from triggers.models import Trigger, WebhookDelivery, WebhookRegistration
from triggers.services import rotate_secret, set_secret, switch_trigger, switch_webhook
from triggers.services.deliveries import MAX_NOT_ACCEPTED_KEPT, MAX_REFUSED_BODY
from triggers.webhooks import waiting
from workflows.services import archive, disable, pause

pytestmark = pytest.mark.django_db

BEARER = {"scheme": "bearer"}
SECRET = "sixteen-letters!"


def a_hook(**config):
    return hook_of(published(started_by(hook=webhook(**config))))


def signed_hook(scheme="bearer", *, secret=SECRET, **config):
    hook = a_hook(auth={"scheme": scheme}, **config)
    set_secret(hook, secret=secret, by=None, now=timezone.now())
    return hook


def only_execution():
    return WorkflowExecution.objects.get()


def only_delivery():
    return WebhookDelivery.objects.get()


class TestAccepted:
    def test_answers_202_with_the_execution_and_where_to_read_it(self):
        """R-1: and by then the delivery and the execution are committed."""
        hook = a_hook()

        response = send(hook, {"amount": 12})

        execution = only_execution()
        assert response.status_code == 202
        assert response.json() == {
            "execution_id": str(execution.pk),
            "status_url": f"http://127.0.0.1:8000/api/executions/{execution.pk}/",
        }
        delivery = only_delivery()
        assert (delivery.verdict, delivery.execution, delivery.is_genuine) == ("accepted", execution, True)

    def test_starts_the_newest_version_at_the_trigger_node(self):
        hook = a_hook()

        send(hook, {"amount": 12}, user_agent="shop/1.0")

        execution = only_execution()
        assert execution.workflow_version.number == 1
        assert execution.execution_context["node_id"] == "hook"
        assert (execution.triggered_by, execution.trigger_id) == ("webhook", hook.trigger_id)
        assert (execution.ip_address, execution.user_agent) == ("127.0.0.1", "shop/1.0")

    def test_hands_the_request_to_the_workflow(self):
        hook = a_hook()

        send(hook, {"amount": 12}, query="?a=1&b=2&b=3", x_kind="order")

        assert only_execution().execution_context["trigger"] == {
            "method": "POST",
            "path": f"/webhooks/{hook.path}",
            "query": {"a": "1", "b": ["2", "3"]},
            "headers": {"content-type": "application/json", "content-length": "14", "x-kind": "order"},
            "body": {"amount": 12},
        }

    def test_keeps_the_raw_bytes(self):
        """R-14"""
        body = b'{"name":  "a\\u0000b\\ud800", "big": 123456789012345678901234567890}'

        assert send(a_hook(), body=body).status_code == 202

        assert bytes(only_delivery().body) == body
        assert only_execution().execution_context["trigger"]["body"]["name"] == "a\\u0000b\\ud800"

    def test_costs_three_statements(self, settings, django_assert_num_queries):
        """The look-up, and the two rows of one commit (which is two more of savepoints in this test)."""
        settings.ENGINE_IN_PLACE = False
        hook = a_hook()
        send(hook, 1)  # The version's limit is read once for each process.

        with django_assert_num_queries(3 + 2):
            send(hook, {"amount": 12})

    def test_costs_two_more_with_the_whole_execution(self, django_assert_num_queries):
        """All node runs in one statement."""
        hook = a_hook()
        send(hook, 1)  # The version is read once for each process.

        # Its node runs, and the question who follows its end.
        with django_assert_num_queries(5 + 2):
            send(hook, {"amount": 12})

        assert {execution.status for execution in WorkflowExecution.objects.all()} == {"completed"}

    def test_counts(self):
        hook = a_hook()

        send(hook, 1)
        send(hook, 2)

        counted = WebhookRegistration.objects.with_counts().get(pk=hook.pk)
        assert counted.trigger_count == 2
        assert counted.last_triggered == WebhookDelivery.objects.latest("received_at").received_at

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    def test_answers_to_every_method_that_the_trigger_names(self, method):
        hook = a_hook(methods=["GET", "PUT", "PATCH", "DELETE"])

        assert send(hook, 1, method=method).status_code == 202
        assert only_execution().execution_context["trigger"]["method"] == method

    def test_needs_no_csrf_token_and_sets_no_cookie(self):
        response = Client(enforce_csrf_checks=True).post(f"/webhooks/{a_hook().path}", {}, "application/json")

        assert response.status_code == 202
        assert not response.cookies

    def test_takes_a_slash_at_the_end(self):
        hook = a_hook()

        assert Client().post(f"/webhooks/{hook.path}/", {}, "application/json").status_code == 202

    def test_takes_a_path_with_escapes_for_what_it_means(self):
        signed_hook(path="orders/new")
        headers = {"Authorization": f"Bearer {SECRET}"}

        assert Client().post("/webhooks/%6frders/new", {}, "application/json", headers=headers).status_code == 202

    def test_takes_a_file_for_its_bytes_and_opens_nothing(self):
        """S-WH-7, S-FILE-1: CVE-2026-21858."""
        body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="/etc/passwd"\r\n\r\nhi\r\n--x--\r\n'

        send(a_hook(), body=body, content_type="multipart/form-data; boundary=x")

        file = only_execution().execution_context["trigger"]["body"]["f"]
        assert (file["filename"], file["size"], base64.b64decode(file["base64"])) == ("/etc/passwd", 2, b"hi")

    def test_takes_a_claim_of_files_for_data(self):
        """S-WH-7: CVE-2026-21858."""
        claim = {"files": {"data": {"filepath": "/etc/passwd"}}}

        send(a_hook(), claim)

        assert only_execution().execution_context["trigger"]["body"] == claim

    def test_while_the_workflow_is_paused_is_accepted_and_waits(self):
        hook = a_hook()
        pause(hook.workflow, by=None, now=timezone.now())

        assert send(hook, 1).status_code == 202
        assert only_execution().status == "pending"


class TestNoWebhook:
    """S-WH-10: whatever the reason, there is nothing here."""

    def nothing_at(self, path):
        response = Client().post(f"/webhooks/{path}", {}, "application/json")
        return response.status_code, response.content

    def test_looks_the_same_for_every_reason(self):
        unknown = self.nothing_at("0" * 32)
        assert unknown == (404, b'{"code": "not_found", "message": "There is no webhook at this address."}')

        closed, off, gone, archived = a_hook(), a_hook(), a_hook(), a_hook()
        switch_webhook(closed, is_active=False, by=None, now=timezone.now())
        switch_trigger(off.trigger, is_active=False, by=None, now=timezone.now())
        Trigger.objects.filter(pk=gone.trigger_id).update(is_registered=False)
        archive(archived.workflow, by=None, now=timezone.now())

        assert {self.nothing_at(hook.path) for hook in (closed, off, gone, archived)} == {unknown}
        assert not WebhookDelivery.objects.exists()

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/",
            "a//b",
            "../admin",
            "%2e%2e/admin",
            "a%00b",
            "%0a",
            "a%0d%0ab",
            "%ff%fe",
            "é",
            "a b",
            "a" * 500,
            "a?x",
            "*",
            "a/",
        ],
    )
    def test_has_no_odd_path(self, path):
        assert self.nothing_at(path)[0] == 404

    def test_has_no_part_of_a_path(self):
        """S-WH-1: CVE-2026-110852."""
        hook = signed_hook(path="orders/new")

        for path in ("orders", "orders/new/more", "new", hook.path.upper()):
            assert self.nothing_at(path)[0] == 404

    def test_is_the_answer_while_the_workflow_is_a_draft(self):
        assert self.nothing_at(WebhookFactory(trigger__workflow__status="draft").path)[0] == 404


class TestMethods:
    @pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "TRACE", "FOO"])
    def test_another_method_gets_405_and_the_ones_that_are_right(self, method):
        hook = a_hook(methods=["POST", "PATCH"])

        response = send(hook, 1, method=method)

        assert (response.status_code, response["Allow"]) == (405, "POST, PATCH, OPTIONS")
        assert not WorkflowExecution.objects.exists()

    def test_another_method_is_kept_but_a_probe_is_not(self):
        hook = a_hook()

        send(hook, 1, method="HEAD")
        send(hook, 1, method="OPTIONS")
        send(hook, 1, method="PUT")

        assert (only_delivery().method, only_delivery().reason_code) == ("PUT", "method_not_allowed")

    def test_options_tells_the_methods_and_starts_nothing(self):
        response = send(a_hook(methods=["GET"]), method="OPTIONS")

        assert (response.status_code, response["Allow"]) == (204, "GET, OPTIONS")
        assert not WorkflowExecution.objects.exists()

    def test_options_tells_nothing_where_nothing_is(self):
        """S-WH-10"""
        assert Client().options("/webhooks/nothing").status_code == 404


class TestProof:
    def test_a_standard_webhook_gets_in(self):
        hook = a_hook(auth={"scheme": "standard_webhooks"})
        secret = set_secret(hook, by=None, now=timezone.now())

        assert send(hook, body=b'{"a": 1}', **standard_headers(secret, b'{"a": 1}')).status_code == 202
        assert only_delivery().dedupe_key == "msg_1"

    def test_github_gets_in(self):
        hook = signed_hook("github")

        assert send(hook, body=b"{}", **github_headers(SECRET, b"{}")).status_code == 202
        assert only_delivery().dedupe_key == "72d3162e"

    def test_a_bearer_gets_in(self):
        assert send(signed_hook(), 1, authorization=f"Bearer {SECRET}").status_code == 202

    def test_a_token_in_a_header_of_its_own_gets_in(self):
        hook = a_hook(auth={"scheme": "header", "header": "X-Gitlab-Token"})
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())

        assert send(hook, 1, x_gitlab_token=SECRET).status_code == 202

    @pytest.mark.parametrize(
        ("scheme", "headers", "reason_code"),
        [
            ("bearer", {}, "token_missing"),
            ("bearer", {"authorization": "Bearer wrong"}, "token_wrong"),
            ("github", {}, "signature_malformed"),
            ("github", {"x_hub_signature_256": "sha256=" + "0" * 64}, "signature_wrong"),
        ],
    )
    def test_everybody_else_gets_the_same_401(self, scheme, headers, reason_code):
        """S-WH-10: the sender learns nothing, the inbox knows why."""
        response = send(signed_hook(scheme), 1, **headers)

        assert response.status_code == 401
        assert response.json() == {"code": "unauthorized", "message": "The request could not be verified."}
        delivery = only_delivery()
        assert (delivery.verdict, delivery.reason_code, delivery.is_genuine) == ("rejected", reason_code, False)
        assert not WorkflowExecution.objects.exists()

    @pytest.mark.parametrize("scheme", ["standard_webhooks", "github", "bearer"])
    def test_nobody_gets_in_while_no_secret_is_set(self, scheme):
        """S-WH-2"""
        hook = a_hook(auth={"scheme": scheme})

        response = send(hook, body=b"{}", **github_headers("", b"{}"), authorization="Bearer ")

        assert response.status_code == 401
        assert only_delivery().reason_code == "secret_not_set"

    def test_nobody_gets_in_where_the_scheme_is_not_known(self):
        """S-WH-2"""
        hook = WebhookFactory(auth={})

        assert send(hook, 1).status_code == 401
        assert only_delivery().reason_code == "scheme_unknown"

    def test_both_secrets_get_in_during_a_rotation(self):
        """S-WH-8"""
        hook = signed_hook()
        new = rotate_secret(hook, grace=timedelta(hours=1), by=None, now=timezone.now())

        assert send(hook, 1, authorization=f"Bearer {SECRET}").status_code == 202
        assert send(hook, 1, authorization=f"Bearer {new}").status_code == 202

    def test_a_replay_from_ten_minutes_ago_does_not(self):
        """S-WH-4"""
        hook = a_hook(auth={"scheme": "standard_webhooks"})
        secret = set_secret(hook, by=None, now=timezone.now())
        headers = standard_headers(secret, b"1", at=timezone.now() - timedelta(minutes=10))

        assert send(hook, body=b"1", **headers).status_code == 401
        assert only_delivery().reason_code == "timestamp_off"

    def test_comes_before_the_body_is_looked_at(self):
        """S-WH-3, S-WH-6: what is not proven is not parsed."""
        assert send(signed_hook(), body=b"{broken").status_code == 401

    def test_what_proves_the_sender_is_neither_kept_nor_handed_on(self):
        """S-SEC-4"""
        hook = a_hook(auth={"scheme": "header", "header": "X-Token"})
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())

        send(hook, 1, x_token=SECRET, authorization="Bearer other-secret", cookie="session=secret")

        kept = only_delivery().headers
        assert (kept["x-token"], kept["authorization"], kept["cookie"]) == ("***", "***", "***")
        handed_on = json.dumps(only_execution().execution_context)
        assert SECRET not in handed_on
        assert "secret" not in handed_on

    def test_cannot_be_checked_without_the_key_and_is_asked_for_again(self, settings):
        hook = signed_hook()
        settings.SEGUE_ENCRYPTION_KEYS = ["other:" + base64.b64encode(b"k" * 32).decode()]

        response = send(hook, 1, authorization=f"Bearer {SECRET}")

        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert response.json()["code"] == "unavailable"


class TestContent:
    def test_required_headers_must_be_there(self):
        hook = a_hook(headers_validation={"X-Kind": "order", "X-Source": "shop"})

        response = send(hook, 1, x_kind="order", x_source="elsewhere")

        assert (response.status_code, response.json()["code"]) == (400, "headers_invalid")
        assert "X-Source" in response.json()["message"]
        assert send(hook, 1, x_kind="order", x_source="shop").status_code == 202

    def test_the_body_must_fit_the_schema_and_every_problem_is_told(self):
        hook = a_hook(
            body_schema={
                "type": "object",
                "required": ["id"],
                "properties": {"amount": {"type": "number", "minimum": 0}},
            }
        )

        response = send(hook, {"amount": -1})

        assert (response.status_code, response.json()["code"]) == (400, "body_invalid")
        assert {problem["path"] for problem in response.json()["problems"]} == {"", "/amount"}
        assert only_delivery().is_genuine
        assert send(hook, {"id": 1}).status_code == 202

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{broken", "not_json"),
            (b"\xff\xfe", "not_json"),
            (b"NaN", "not_json"),
            (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "json_too_deep"),
            (b'{"a":' * 50_000, "json_too_deep"),
        ],
    )
    def test_json_must_be_json(self, body, code):
        """S-WH-6, R-14"""
        response = send(a_hook(), body=body)

        assert (response.status_code, response.json()["code"]) == (400, code)

    def test_too_many_query_parameters_are_refused(self):
        response = send(a_hook(), 1, query="?" + "&".join(f"q{n}" for n in range(1001)))

        assert (response.status_code, response.json()["code"]) == (400, "too_many_fields")


class TestLimits:
    """S-WH-6, S-DOS-1"""

    def test_a_body_may_be_as_long_as_the_limit(self, settings):
        settings.WEBHOOK_MAX_BODY_BYTES = 100
        hook = a_hook()

        assert send(hook, body=b'"' + b"x" * 98 + b'"').status_code == 202
        response = send(hook, body=b'"' + b"x" * 99 + b'"')

        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
        refused = WebhookDelivery.objects.get(verdict="rejected")
        assert (bytes(refused.body), refused.is_body_complete) == (b"", False)

    def test_a_body_of_the_whole_default_limit_passes(self, settings):
        body = b'"' + b"x" * (settings.WEBHOOK_MAX_BODY_BYTES - 2) + b'"'

        assert send(a_hook(), body=body).status_code == 202
        assert len(only_delivery().body) == 1024 * 1024

    def test_a_body_beyond_the_api_s_limit_passes_where_webhooks_may_have_it(self, settings):
        settings.WEBHOOK_MAX_BODY_BYTES = 4 * 1024 * 1024
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024

        assert send(a_hook(), body=b"x" * 3_000_000, content_type="text/plain").status_code == 202

    def test_too_many_headers_are_refused(self):
        response = send(a_hook(), 1, **{f"x_{number}": "1" for number in range(101)})

        assert (response.status_code, response.json()["code"]) == (431, "headers_too_large")

    def test_too_many_hops_are_a_loop(self):
        hook = a_hook()

        assert send(hook, 1, x_segue_hops="8").status_code == 202
        for hops in ("9", "100000000000", "-1", "x", ""):
            response = send(hook, 1, x_segue_hops=hops)
            assert (response.status_code, response.json()["code"]) == (508, "too_many_hops")

    def test_too_many_calls_are_told_when_to_come_again(self, settings, noon):
        settings.WEBHOOK_RATE_PER_MINUTE = 2
        hook = a_hook()

        responses = [send(hook, 1) for _ in range(3)]

        assert [response.status_code for response in responses] == [202, 202, 429]
        assert 25 <= int(responses[2]["Retry-After"]) <= 30
        assert WebhookDelivery.objects.get(verdict="rejected").reason_code == "too_many"

    def test_a_project_that_starts_too_much_is_told_when_to_come_again_and_nothing_else(self, settings):
        """S-WH-11: how much it may, and how much it has, is for its own people: they read it in the inbox."""
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 2
        hook = a_hook()

        *accepted, refused = [send(hook, number) for number in range(3)]

        assert [response.status_code for response in accepted] == [202, 202]
        assert (refused.status_code, refused["Retry-After"]) == (429, "1")
        assert refused.json() == {
            "code": "too_many",
            "message": "Too much is started here right now. Try again later.",
        }
        assert WebhookDelivery.objects.get(verdict="rejected").reason_code == "too_many_starts"
        assert WorkflowExecution.objects.count() == 2

    def test_a_project_with_too_many_live_executions_is_told_so(self, settings):
        settings.PROJECT_MAX_LIVE = 1
        hook = a_hook()

        assert [send(hook, number).status_code for number in range(2)] == [202, 429]
        assert WebhookDelivery.objects.get(verdict="rejected").reason_code == "too_many_live"

    def test_strangers_and_copies_take_nothing_of_what_a_project_may_start(self, settings):
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 1
        hook = signed_hook("standard_webhooks", secret="whsec_" + base64.b64encode(b"k" * 24).decode())

        unproven = [send(hook, number).status_code for number in range(3)]

        assert unproven == [401] * 3
        assert hook.workflow.project.paced_until_us == 0

    def test_a_refused_body_is_kept_up_to_64_kilobytes(self):
        send(a_hook(), body=b"x" * (MAX_REFUSED_BODY + 1))

        delivery = only_delivery()
        assert (len(delivery.body), delivery.is_body_complete) == (MAX_REFUSED_BODY, False)

    def test_of_the_refused_the_newest_thousand_are_kept(self):
        hook = a_hook()
        send(hook, 1)
        old = timezone.now() - timedelta(days=1)
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(
                registration=hook, method="POST", verdict="rejected", received_at=old + timedelta(seconds=second)
            )
            for second in range(MAX_NOT_ACCEPTED_KEPT)
        )

        send(hook, body=b"{broken")

        kept = WebhookDelivery.objects.filter(registration=hook, verdict="rejected")
        assert kept.count() == MAX_NOT_ACCEPTED_KEPT
        assert kept.order_by("received_at").first().received_at == old + timedelta(seconds=1)
        assert WebhookDelivery.objects.filter(verdict="accepted").count() == 1


class TestDisabled:
    def test_is_refused_and_recorded_for_those_who_have_proven_themselves(self):
        hook = signed_hook()
        disable(hook.workflow, reason="Moved.", by=None, now=timezone.now())

        response = send(hook, 1, authorization=f"Bearer {SECRET}")

        assert (response.status_code, response.json()["code"]) == (409, "workflow_disabled")
        assert "Moved" not in response.json()["message"]
        assert (only_delivery().reason_code, only_delivery().is_genuine) == ("workflow_disabled", True)

    def test_looks_to_everybody_else_as_ever(self):
        """S-WH-10"""
        hook = signed_hook()
        disable(hook.workflow, reason="Moved.", by=None, now=timezone.now())

        assert send(hook, 1).status_code == 401


class TestDuplicates:
    def test_get_the_first_one_s_execution(self):
        """R-2, S-WH-5"""
        hook = signed_hook("github")
        first = send(hook, body=b"{}", **github_headers(SECRET, b"{}"))

        second = send(hook, body=b"{}", **github_headers(SECRET, b"{}"))

        assert (first.status_code, second.status_code) == (202, 200)
        assert second.json() == first.json() | {"duplicate": True}
        assert WorkflowExecution.objects.count() == 1

    def test_are_kept_without_their_body(self):
        hook = signed_hook("github")
        for _ in range(2):
            send(hook, body=b"{}", **github_headers(SECRET, b"{}"))

        copy = WebhookDelivery.objects.get(verdict="duplicate")

        assert (bytes(copy.body), copy.execution, copy.dedupe_key) == (b"", only_execution(), "72d3162e")

    def test_with_another_body_are_a_contradiction(self):
        """R-2"""
        hook = signed_hook("github")
        send(hook, body=b"{}", **github_headers(SECRET, b"{}"))

        response = send(hook, body=b"[]", **github_headers(SECRET, b"[]"))

        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert WorkflowExecution.objects.count() == 1

    def test_need_the_same_webhook(self):
        one, other = signed_hook("github"), signed_hook("github")

        for hook in (one, other):
            assert send(hook, body=b"{}", **github_headers(SECRET, b"{}")).status_code == 202

    def test_are_known_by_the_header_that_the_trigger_names(self):
        hook = a_hook(dedupe_header="X-Order-Id")

        statuses = [send(hook, 1, x_order_id=order).status_code for order in ("1", "2", "1")]

        assert statuses == [202, 202, 200]

    def test_are_known_by_the_idempotency_key_where_no_other_header_is_named(self):
        """R-2: whoever got no answer asks again with the same key."""
        hook = a_hook()

        assert [send(hook, 1, idempotency_key="abc").status_code for _ in range(2)] == [202, 200]

    def test_are_not_looked_for_without_an_id(self):
        hook = a_hook()

        assert [send(hook, 1).status_code for _ in range(2)] == [202, 202]

    def test_may_come_after_the_workflow_was_switched_off(self):
        """R-2: the first one was accepted, whatever happened since."""
        hook = a_hook()
        first = send(hook, 1, idempotency_key="abc")
        disable(hook.workflow, reason="Moved.", by=None, now=timezone.now())

        second = send(hook, 1, idempotency_key="abc")

        assert second.json()["execution_id"] == first.json()["execution_id"]

    def test_a_refused_one_is_no_first_one(self):
        hook = a_hook(body_schema={"type": "object"})
        assert send(hook, 1, idempotency_key="abc").status_code == 400

        assert send(hook, {}, idempotency_key="abc").status_code == 202

    def test_may_have_an_id_of_any_length(self):
        hook = a_hook()

        assert [send(hook, 1, idempotency_key="x" * 4000).status_code for _ in range(2)] == [202, 200]

    def test_of_a_delivery_whose_execution_was_cleaned_up_start_none(self):
        hook = a_hook()
        send(hook, 1, idempotency_key="abc")
        WebhookDelivery.objects.update(execution=None)

        response = send(hook, 1, idempotency_key="abc")

        assert (response.status_code, response.json()["execution_id"]) == (200, None)


@pytest.mark.django_db(transaction=True)
class TestFinished:
    """Of executions that a worker carries."""

    @pytest.fixture(autouse=True)
    def _workers_alone(self, settings):
        settings.ENGINE_IN_PLACE = False

    def test_answers_with_what_the_output_node_says(self):
        hook = a_hook(respond="finished")

        with a_worker(answer={"value": {"total": 3}, "status": 201, "headers": {"X-Order": "7"}}):
            response = send(hook, 1)

        assert (response.status_code, response.json(), response["X-Order"]) == (201, {"total": 3}, "7")

    def test_tells_of_a_failure_without_internals(self):
        """S-WH-11"""
        hook = a_hook(respond="finished")

        with a_worker(ends_as=ExecutionStatus.FAILED, error={"code": "x", "message": "hunter2"}):
            response = send(hook, 1)

        assert (response.status_code, response.json()["code"]) == (502, "execution_failed")
        assert response.json()["execution_id"] == str(only_execution().pk)
        assert b"hunter2" not in response.content

    def test_answers_202_when_it_takes_longer_than_the_ceiling(self):
        response = send(a_hook(respond="finished", response_timeout_seconds=1), 1)

        assert (response.status_code, response["Retry-After"]) == (202, "5")
        assert response.json()["execution_id"] == str(only_execution().pk)
        assert only_execution().is_awaited

    def test_answers_at_once_when_the_workflow_is_busy_and_skips_what_comes(self):
        """R-1: what was skipped was accepted, and is kept with its delivery."""
        limit = {"concurrency": {"max": 1, "key": "{{ trigger.body.customer }}", "on_limit": "skip"}}
        hook = hook_of(published(started_by(hook=webhook(respond="finished"), settings=limit)))
        running = WorkflowExecution.objects.create(
            project_id=hook.workflow.project_id,
            workflow=hook.workflow,
            workflow_version=hook.workflow.versions.get(),
            triggered_by="webhook",
            concurrency_key="acme",
            blocked_on="paused",
        )

        response = send(hook, {"customer": "acme"})

        skipped = WorkflowExecution.objects.exclude(pk=running.pk).get()
        assert (response.status_code, response.json()["code"]) == (429, "concurrency_skipped")
        assert response.json()["execution_id"] == str(skipped.pk)
        assert (skipped.status, skipped.concurrency_key) == ("cancelled", "acme")
        assert only_delivery().execution == skipped

    def test_answers_202_when_all_places_to_wait_are_taken(self, monkeypatch):
        monkeypatch.setattr(waiting, "places", Semaphore(0))

        assert send(a_hook(respond="finished", response_timeout_seconds=120), 1).status_code == 202

    def test_a_place_is_free_again_after_each_wait(self, monkeypatch):
        monkeypatch.setattr(waiting, "places", Semaphore(1))
        hook = a_hook(respond="finished")

        for _ in range(2):
            with a_worker(answer={"value": 1, "status": 200, "headers": {}}):
                assert send(hook, 1).status_code == 200

    def test_a_duplicate_does_not_wait(self):
        hook = a_hook(respond="finished", response_timeout_seconds=1)
        send(hook, 1, idempotency_key="abc")

        assert send(hook, 1, idempotency_key="abc").status_code == 200
