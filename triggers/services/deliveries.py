"""The inbox: what a webhook receives, and what becomes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Greatest

from executions import quotas
from executions.exceptions import NotRunnable
from executions.models import WorkflowExecution
from executions.services import newest_version, start_execution
from projects import audit
from projects.access import Actor
from projects.crypto import SecretUnreadable
from projects.exceptions import NotFound, SegueError, TooMany, Unavailable
from projects.failpoints import failpoint
from projects.inserting import insert
from triggers.exceptions import InvalidDelivery, NotRedeliverable
from triggers.models import (
    DeliveryVerdict,
    ReceivedRequest,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from triggers.services.webhook_secrets import live_secrets
from triggers.webhooks import bodies, checks, expressions, private_headers, routes
from triggers.webhooks.received import Received
from triggers.webhooks.refusal import Refused, unproven
from triggers.webhooks.routes import Route
from triggers.webhooks.signatures import Request, delivery_id, scheme_or_closed, verify
from workflows.http.hops import hops_in
from workflows.models import TriggerType, WorkflowVersion
from workflows.nodes.trigger.paths import candidates, values_in
from workflows.nodes.trigger.webhook import WebhookTrigger

# What is kept of what was turned away: enough to see what went wrong, too little to fill a disk.
MAX_NOT_ACCEPTED_KEPT = 1000
# What is kept of what comes to a test URL, accepted or not.
MAX_TESTS_KEPT = 100
MAX_REFUSED_BODY = 64 * 1024
MAX_REASON = 500
MAX_PATH_KEPT = 1100
REMOVED_AT_ONCE = 500
# What one request delivers again.
MAX_REDELIVERED = 100


@dataclass(frozen=True)
class Receipt:
    """What a sender gets for a delivery. ``execution_id`` is None for a copy of one that was cleaned up since, and for one that
    the webhook's filter did not want."""

    execution_id: UUID | None
    is_duplicate: bool = False
    is_filtered: bool = False
    execution: WorkflowExecution | None = None  # If it has ended already.
    challenge: str | None = None  # If it was no delivery but a handshake: what is given back.


@dataclass(frozen=True)
class _Proof:
    """What a sender that has proven itself has shown.

    :param key: the delivery's id, if it has one.
    :param secret_id: the secret that it knows; empty if none was needed.
    :param may_differ: a second try may have another body, because the id names what has happened.
    :param is_checked: there was something to check it against.
    """

    key: str | None
    secret_id: str = ""
    may_differ: bool = False
    is_checked: bool = True


# --- Receiving ----------------------------------------------------------------------------------------------------------


def receive_delivery(route: Route, options: WebhookTrigger, received: Received, *, now: datetime) -> Receipt:
    """Take a delivery in: check it, and start its execution in the commit that keeps it (R-1).

    One that was here before, by its delivery id or by the webhook's key expression, gets the first one's execution (R-2).

    :raises Refused: if it is not accepted. Nothing is kept of it yet; see :func:`keep_refused`.
    :raises Unavailable: if the webhook's secrets can't be read.
    """
    proof = _authenticate(route, options, received, now=now)
    challenge = scheme_or_closed(route.registration.auth).handshake(received.body)
    if challenge is not None:
        keep_handshake(route, received, secret_id=proof.secret_id)
        return Receipt(None, challenge=challenge)
    try:
        if proof.key is not None and (first := _first(route.registration, options, proof.key, now=now)):
            return _duplicate(route, received, proof, first=first)
        return _judge(route, options, received, proof, now=now)
    except Refused as refused:
        refused.is_genuine = True
        refused.secret_id = proof.secret_id
        raise


def _authenticate(route: Route, options: WebhookTrigger, received: Received, *, now: datetime) -> _Proof:
    """Return what the sender has shown, once it has proven itself.

    :raises Refused: with 401; the sender does not learn why (S-WH-10).
    """
    registration = route.registration
    scheme = scheme_or_closed(registration.auth)
    try:
        secrets = live_secrets(registration, now) if scheme.needs_secret else []
    except SecretUnreadable as error:
        raise Unavailable("The webhook cannot verify anything right now. Try again later.", retry_after=60) from error
    if route.test is not None and scheme.needs_secret and not secrets:
        return _Proof(
            None, is_checked=False
        )  # Whoever knows a test URL was told it; the secret is set once it is published.
    request = Request(received.headers, received.body, received.method, received.path, received.query_string)
    verdict = verify(scheme, [secret.text for secret in secrets], request, now)
    if not verdict.is_genuine:
        raise unproven(verdict.code, verdict.message, challenge=scheme.challenge)
    secret_id = "" if verdict.secret is None else secrets[verdict.secret].id
    if route.test is not None:
        return _Proof(None, secret_id)  # What is tried twice runs twice.
    if options.dedupe_key is not None:
        return _Proof(None, secret_id)  # The expression needs to see what was sent.
    if options.dedupe_header:
        return _Proof(delivery_id(received.headers, options.dedupe_header.lower()), secret_id)
    return _Proof(verdict.delivery_id, secret_id, may_differ=scheme.names_events)


def _judge(route: Route, options: WebhookTrigger, received: Received, proof: _Proof, *, now: datetime) -> Receipt:
    """Look at the content of a proven delivery, and accept it if the webhook wants it.

    :raises Refused: if it is not what the webhook asks for.
    """
    registration = route.registration
    checks.check_required_headers(registration.headers_validation, received.headers)
    payload = _payload(registration, received, route.params)
    checks.check_body(registration.body_schema, payload["body"])
    if options.filter is not None and not expressions.lets_pass(options.filter, payload, now=now):
        return _filtered(route, received, proof)
    if options.dedupe_key is not None and route.test is None:
        # An expression says by itself what is the same; an id that the sender gave stands for one content.
        proof = replace(proof, key=expressions.key_of(options.dedupe_key, payload, now=now), may_differ=True)
        if proof.key is not None and (first := _first(registration, options, proof.key, now=now)):
            return _duplicate(route, received, proof, first=first)
    return _accept(route, options, received, payload, proof, now=now)


def _accept(
    route: Route,
    options: WebhookTrigger,
    received: Received,
    payload: dict[str, Any],
    proof: _Proof,
    *,
    now: datetime,
) -> Receipt:
    registration, awaited = route.registration, options.respond != "accepted"
    _admit(registration, now=now)
    failpoint("accept.before")
    try:
        with transaction.atomic():
            execution = _start(route, payload, received, awaited=awaited, by=None, now=now)
            if proof.key is not None and options.dedupe_window_seconds is not None:
                _release(registration, proof.key, before=_beginning_of_window(options, now))
            kept = {"execution": execution, "secret_id": proof.secret_id, "is_genuine": proof.is_checked}
            if route.test is None:
                kept["dedupe_key"] = proof.key
            _keep(route, received, DeliveryVerdict.ACCEPTED, **kept)
            if route.test is not None:
                _trim_test(route.test)
    except NotRunnable:
        raise Refused(
            HTTPStatus.CONFLICT, "workflow_disabled", "The workflow behind this webhook is switched off."
        ) from None
    except IntegrityError:
        first = _holder(registration, proof.key) if proof.key is not None else None
        if first is None:
            raise
        return _duplicate(route, received, proof, first=first)
    failpoint("accept.after_commit")
    return Receipt(execution.pk, execution=execution if execution.has_ended or execution.answered_by else None)


@transaction.atomic
def _filtered(route: Route, received: Received, proof: _Proof) -> Receipt:
    _keep(
        route,
        received,
        DeliveryVerdict.FILTERED,
        body=received.body[:MAX_REFUSED_BODY],
        is_body_complete=len(received.body) <= MAX_REFUSED_BODY,
        is_genuine=proof.is_checked,
        secret_id=proof.secret_id,
    )
    _trim(route)
    return Receipt(None, is_filtered=True)


def _admit(registration: WebhookRegistration, *, now: datetime) -> None:
    try:
        quotas.take_start(registration.workflow.project_id, now=now)
    except TooMany as error:
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many",
            "Too much is started here right now. Try again later.",
            reason_code=error.code,
            reason=error.message,
            retry_after=ceil(error.retry_after),
        ) from None


def _start(
    route: Route,
    payload: dict[str, Any],
    received: Received,
    *,
    awaited: bool,
    by: Actor | None,
    now: datetime,
) -> WorkflowExecution:
    trigger = route.registration.trigger
    return start_execution(
        route.version,
        kind=TriggerType.WEBHOOK,
        node_id=trigger.node_id,
        payload=payload,
        now=now,
        trigger_id=trigger.pk if route.test is None else None,
        by=by,
        ip_address=received.ip_address,
        user_agent=received.user_agent,
        awaited=awaited,
        hops=hops_in(received.headers),
        in_place=True,
        is_test=route.test is not None,
    )


def _payload(registration: WebhookRegistration, received: Received, params: Mapping[str, str]) -> dict[str, Any]:
    """Return what expressions see as ``trigger``. ``params`` is there if the webhook's path has parameters.

    :raises Refused: if the query or the body can't be read.
    """
    payload = {
        "method": received.method,
        "path": received.path,
        "query": bodies.form(received.query_string),
        "headers": private_headers.public(received.headers, scheme_or_closed(registration.auth)),
        "body": bodies.read(received.body, received.headers.get("content-type", "")),
    }
    return payload | {"params": dict(params)} if params else payload


# --- Duplicates ---------------------------------------------------------------------------------------------------------


def _first(
    registration: WebhookRegistration, options: WebhookTrigger, key: str, *, now: datetime
) -> WebhookDelivery | None:
    """Return the delivery that has a key, if its window is not over."""
    holder = _holder(registration, key)
    if holder is None or options.dedupe_window_seconds is None:
        return holder
    return holder if holder.received_at > _beginning_of_window(options, now) else None


def _beginning_of_window(options: WebhookTrigger, now: datetime) -> datetime:
    return now - timedelta(seconds=options.dedupe_window_seconds or 0)


def _holder(registration: WebhookRegistration, key: str) -> WebhookDelivery | None:
    return _holders(registration, key).first()


def _holders(registration: WebhookRegistration, key: str) -> QuerySet[WebhookDelivery]:
    """Return the one delivery that has a key, in the words of the index ``webhook_deliveries_once``."""
    accepted = WebhookDelivery.objects.filter(registration=registration, verdict=DeliveryVerdict.ACCEPTED)
    return accepted.filter(dedupe_key=key, is_released=False)


def _release(registration: WebhookRegistration, key: str, *, before: datetime) -> None:
    """Take a key from the delivery that has it, if its window is over.

    Of two that come then, both may do this, and the unique index lets only one have the key.
    """
    _holders(registration, key).filter(received_at__lte=before).update(is_released=True)


def _duplicate(route: Route, received: Received, proof: _Proof, *, first: WebhookDelivery) -> Receipt:
    if bytes(first.body) != received.body and not proof.may_differ:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency_mismatch",
            "A delivery with this id was here before, with another body. Use a new id for a new delivery.",
        )
    with transaction.atomic():
        # Without the body: the first one has it.
        _keep(
            route,
            received,
            DeliveryVerdict.DUPLICATE,
            body=b"",
            execution_id=first.execution_id,
            dedupe_key=first.dedupe_key,
            secret_id=proof.secret_id,
        )
        _trim(route)
    return Receipt(first.execution_id, is_duplicate=True)


# --- Keeping ------------------------------------------------------------------------------------------------------------


@transaction.atomic
def keep_refused(route: Route, received: Received, refused: Refused) -> ReceivedRequest:
    """Keep a delivery that was turned away, with the reason, and at most 64 KiB of its body.

    Of what a webhook has not accepted, the newest 1,000 are kept; of what comes to a test URL, the newest 100.
    """
    delivery = _keep(
        route,
        received,
        DeliveryVerdict.REJECTED,
        body=received.body[:MAX_REFUSED_BODY],
        is_body_complete=received.is_body_complete and len(received.body) <= MAX_REFUSED_BODY,
        is_genuine=refused.is_genuine,
        secret_id=refused.secret_id,
        reason_code=refused.reason_code,
        reason=refused.reason[:MAX_REASON],
    )
    _trim(route)
    return delivery


@transaction.atomic
def keep_handshake(route: Route, received: Received, *, secret_id: str) -> ReceivedRequest:
    """Keep a handshake, among what a webhook has not accepted: it starts nothing."""
    delivery = _keep(
        route,
        received,
        DeliveryVerdict.HANDSHAKE,
        body=received.body[:MAX_REFUSED_BODY],
        is_body_complete=len(received.body) <= MAX_REFUSED_BODY,
        secret_id=secret_id,
    )
    _trim(route)
    return delivery


def _keep(route: Route, received: Received, verdict: DeliveryVerdict, **values: Any) -> ReceivedRequest:
    facts = _facts_of(route.registration, received, verdict) | values
    delivery: ReceivedRequest = (
        WebhookDelivery(registration=route.registration, **facts)
        if route.test is None
        else WebhookTestDelivery(test=route.test, **facts)
    )
    insert([delivery])
    return delivery


def _facts_of(registration: WebhookRegistration, received: Received, verdict: DeliveryVerdict) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "received_at": received.received_at,
        "method": received.method[:10],
        "path": received.path[:MAX_PATH_KEPT],
        "query_string": received.query_string,
        "headers": private_headers.masked(received.headers, scheme_or_closed(registration.auth)),
        "body": received.body,
        "ip_address": received.ip_address,
        "is_genuine": True,
    }


def _trim_test(test: WebhookTest) -> None:
    newest_first = WebhookTestDelivery.objects.filter(test=test).order_by("-received_at", "-id")
    too_many = list(newest_first.values_list("pk", flat=True)[MAX_TESTS_KEPT : MAX_TESTS_KEPT + REMOVED_AT_ONCE])
    if too_many:
        WebhookTestDelivery.objects.filter(pk__in=too_many).delete()


def _trim(route: Route) -> None:
    if route.test is not None:
        _trim_test(route.test)
        return
    deliveries = WebhookDelivery.objects.filter(registration=route.registration)
    not_accepted = deliveries.exclude(verdict=DeliveryVerdict.ACCEPTED)
    newest_first = not_accepted.order_by("-received_at", "-id").values_list("pk", flat=True)
    too_many = list(newest_first[MAX_NOT_ACCEPTED_KEPT : MAX_NOT_ACCEPTED_KEPT + REMOVED_AT_ONCE])
    if too_many:
        WebhookDelivery.objects.filter(pk__in=too_many).delete()


def remove_old_deliveries(now: datetime) -> int:
    """Remove some deliveries that are older than ``WEBHOOK_RETENTION_DAYS``, or else than executions are kept; returns how many.

    Their ids are forgotten with them: a copy that comes later starts an execution.
    """
    before = now - timedelta(days=settings.WEBHOOK_RETENTION_DAYS or settings.EXECUTION_RETENTION_DAYS)
    old = WebhookDelivery.objects.filter(received_at__lt=before).order_by("received_at", "id")
    found = list(old.values_list("pk", flat=True)[:REMOVED_AT_ONCE])
    return _remove(found) if found else 0


@transaction.atomic
def _remove(ids: Collection[UUID]) -> int:
    """Remove deliveries, and keep in mind how many of them each webhook had accepted."""
    rows = WebhookDelivery.objects.filter(pk__in=ids)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)  # Another sweep removes and counts those that it has.
    found = list(rows.values_list("pk", "registration_id", "verdict", "received_at"))
    accepted: defaultdict[UUID, list[datetime]] = defaultdict(list)
    for _, registration_id, verdict, received_at in found:
        if verdict == DeliveryVerdict.ACCEPTED:
            accepted[registration_id].append(received_at)
    for registration_id in sorted(accepted):  # In one order, so that two sweeps do not wait for each other.
        latest = max(accepted[registration_id])
        WebhookRegistration.objects.filter(pk=registration_id).update(
            forgotten_count=F("forgotten_count") + len(accepted[registration_id]),
            forgotten_latest=Greatest(Coalesce("forgotten_latest", latest), latest),
        )
    removed, _ = WebhookDelivery.objects.filter(pk__in=[row[0] for row in found]).delete()
    return removed


# --- Again --------------------------------------------------------------------------------------------------------------


class RunOn(StrEnum):
    """Which version a delivery runs when it is delivered again."""

    NEWEST = "newest"  # The workflow's newest.
    ORIGINAL = "original"  # The one that its own execution ran.


@transaction.atomic
def redeliver(
    delivery: WebhookDelivery, *, by: Actor | None, now: datetime, version: RunOn = RunOn.NEWEST
) -> WebhookDelivery:
    """Deliver again what lies in the inbox, also what was rejected or filtered: a new execution. The filter is not asked.

    :raises NotRedeliverable: if the sender had not proven itself, if the body is not whole, if it is a copy, or if it has no
        original version.
    :raises InvalidDelivery: if the body does not fit the webhook's schema, or the path its parameters.
    :raises NotRunnable: if the workflow can't start executions now.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    registration = delivery.registration
    _check_redeliverable(delivery)
    runs = _newest_version(registration) if version is RunOn.NEWEST else _original_version(delivery)
    received = Received(
        method=delivery.method,
        path=delivery.path or f"/webhooks/{registration.path}",
        query_string=delivery.query_string,
        headers=delivery.headers,
        body=bytes(delivery.body),
        received_at=now,
        ip_address=delivery.ip_address,
        user_agent=delivery.headers.get("user-agent", "")[:500],
    )
    try:
        payload = _payload(registration, received, _params_again(registration, received.path))
        checks.check_body(registration.body_schema, payload["body"])
    except Refused as refused:
        raise InvalidDelivery(refused.message, problems=refused.problems) from None
    quotas.take_start(registration.workflow.project_id, now=now)
    execution = _start(Route(registration, runs), payload, received, awaited=False, by=by, now=now)
    again = WebhookDelivery(
        registration=registration,
        redelivery_of=delivery,
        execution=execution,
        **_facts_of(registration, received, DeliveryVerdict.ACCEPTED),
    )
    insert([again])
    audit.record(
        "webhook_delivery.redelivered",
        delivery,
        project=registration.workflow.project,
        by=by,
        details={"as": str(again.pk), "execution": str(execution.pk), "version": runs.number},
    )
    return again


@dataclass(frozen=True)
class Redelivered:
    """What became of a delivery that was to be delivered again: the new one, or why there is none."""

    id: UUID
    again: WebhookDelivery | None = None
    error: SegueError | None = None


def redeliver_many(
    deliveries: QuerySet[WebhookDelivery], ids: Sequence[UUID], *, version: RunOn, by: Actor | None, now: datetime
) -> list[Redelivered]:
    """Deliver several again, each in a transaction of its own, and say of each what became of it, in the order of the ids.

    :param deliveries: where to look for them; what is not there is not found.
    """
    found = deliveries.in_bulk(ids)
    outcomes = []
    for each in dict.fromkeys(ids):
        try:
            if each not in found:
                raise NotFound("There is no such delivery.")
            outcomes.append(Redelivered(each, again=redeliver(found[each], version=version, by=by, now=now)))
        except SegueError as error:
            outcomes.append(Redelivered(each, error=error))
    return outcomes


def _check_redeliverable(delivery: WebhookDelivery) -> None:
    if delivery.verdict == DeliveryVerdict.DUPLICATE:
        raise NotRedeliverable("This is a copy of an earlier delivery. Redeliver that one.")
    if delivery.verdict == DeliveryVerdict.HANDSHAKE:
        raise NotRedeliverable("This was a handshake, which starts nothing.")
    if not delivery.is_genuine:
        raise NotRedeliverable(
            "The sender of this delivery had not proven itself, so its content is not to be trusted."
        )
    if not delivery.is_body_complete:
        raise NotRedeliverable("The body of this delivery was not kept, or not all of it. Ask its sender for it.")


def _newest_version(registration: WebhookRegistration) -> WorkflowVersion:
    trigger = registration.trigger
    if not trigger.is_registered or trigger.type != TriggerType.WEBHOOK:
        raise NotRedeliverable("The workflow's newest version has this webhook no more.")
    return newest_version(registration.workflow)


def _original_version(delivery: WebhookDelivery) -> WorkflowVersion:
    if delivery.execution is None:
        raise NotRedeliverable(
            "This delivery has no execution, or none any more, so that there is no original version. Take the newest."
        )
    version = delivery.execution.workflow_version
    version.workflow = delivery.registration.workflow
    return version


def _params_again(registration: WebhookRegistration, path: str) -> dict[str, str]:
    """Return what the parameters of the webhook's present path stand for in the path of an earlier request.

    :raises InvalidDelivery: if it does not match.
    """
    if "{" not in registration.path:
        return {}
    parts = routes.parts_of(path.removeprefix("/webhooks/"))
    if not parts or registration.pattern not in candidates(parts):
        raise InvalidDelivery(
            f"The delivery came to {path}, which the webhook's path {registration.path} does not match."
        )
    return values_in(registration.path, parts)
