"""The API's endpoints for triggers, webhooks and their deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from projects.access import Permission
from projects.rest import NewestFirstPagination, Parent, ProjectScopedViewSet
from triggers import services
from triggers.filters import DeliveryFilter, TestDeliveryFilter, TriggerFilter, WebhookFilter, WebhookTestFilter
from triggers.models import Trigger, WebhookDelivery, WebhookRegistration, WebhookTest, WebhookTestDelivery
from triggers.serializers import (
    DeliveryDetailSerializer,
    DeliverySerializer,
    EndSecretInput,
    RedeliveredManySerializer,
    RedeliverInput,
    RedeliverManyInput,
    SecretFactsSerializer,
    SecretInput,
    SecretSerializer,
    SwitchInput,
    TriggerSerializer,
    TriggerStatusSerializer,
    WebhookSerializer,
    WebhookTestDeliveryDetailSerializer,
    WebhookTestDeliverySerializer,
    WebhookTestInput,
    WebhookTestSerializer,
)
from workflows.models import Workflow


class TriggerViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Why workflows start: one row for each trigger node that was ever published."""

    queryset = Trigger.objects.select_related("workflow__project").defer("workflow__definition")
    project_path = "workflow__project"
    serializer_class = TriggerSerializer
    filterset_class = TriggerFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "status": Permission.VIEW,
        "partial_update": Permission.OPERATE,
    }

    @extend_schema(responses=TriggerStatusSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def status(self, request: Request, pk: str) -> Response:
        """Tell when the trigger fired last, what came of it, when it fires next, and why it does not."""
        found = services.status_of(self.get_object(), now=timezone.now())
        return Response(TriggerStatusSerializer(found).data)

    @extend_schema(request=SwitchInput, responses=TriggerSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Switch the trigger on or off. A new version leaves the switch alone."""
        trigger = self.get_object()
        services.switch_trigger(trigger, **self.validated(SwitchInput), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(trigger).data)


class WebhookViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """The routes of webhook triggers."""

    queryset = (
        WebhookRegistration.objects.with_counts()
        .select_related("workflow__project", "trigger")
        .defer("workflow__definition", "trigger__config")
    )
    project_path = "workflow__project"
    serializer_class = WebhookSerializer
    filterset_class = WebhookFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "partial_update": Permission.OPERATE,
        "secret": Permission.EDIT,
        "secrets": Permission.VIEW,
        "end_secret": Permission.EDIT,
    }

    @extend_schema(request=SwitchInput, responses=WebhookSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Open or close the route. While it is closed, it answers 404."""
        registration = self.get_object()
        services.switch_webhook(registration, **self.validated(SwitchInput), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(registration).data)

    @extend_schema(request=SecretInput, responses={201: SecretSerializer})
    @action(detail=True, methods=["post"])
    def secret(self, request: Request, pk: str) -> Response:
        """Set a secret, or have one made. It is shown in this answer and never again."""
        registration, asked = self.get_object(), self.validated(SecretInput)
        grace, given = timedelta(seconds=asked["grace_seconds"]), asked["secret"]
        now = timezone.now()
        if grace:
            secret = services.rotate_secret(registration, secret=given, grace=grace, by=self.actor, now=now)
        else:
            secret = services.set_secret(registration, secret=given, by=self.actor, now=now)
        return Response({"secret": secret}, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})

    @extend_schema(responses=SecretFactsSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def secrets(self, request: Request, pk: str) -> Response:
        """Tell which secrets are valid, the newest first: since when, until when, and when each was last of use."""
        facts = services.facts_of_secrets(self.get_object(), timezone.now())
        return Response(SecretFactsSerializer(facts, many=True).data)

    @extend_schema(request=EndSecretInput, responses=SecretFactsSerializer(many=True), filters=False)
    @action(detail=True, methods=["post"], url_path="end-secret", pagination_class=None)
    def end_secret(self, request: Request, pk: str) -> Response:
        """End one secret at once, and tell which are left. Without any, everything is refused."""
        registration, asked, now = self.get_object(), self.validated(EndSecretInput), timezone.now()
        services.end_secret(registration, asked["id"], by=self.actor, now=now)
        return Response(SecretFactsSerializer(services.facts_of_secrets(registration, now), many=True).data)


class WebhookTestViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Test URLs: for a while, a webhook trigger of the draft answers there, and what comes in can be looked at."""

    queryset = WebhookTest.objects.with_production_paths().select_related("workflow__project")
    project_path = "workflow__project"
    serializer_class = WebhookTestSerializer
    filterset_class = WebhookTestFilter
    # Whoever has the URL can run the draft: those see it who may change the draft.
    permissions = {
        "list": Permission.EDIT,
        "retrieve": Permission.EDIT,
        "create": Permission.EDIT,
        "destroy": Permission.EDIT,
    }

    @extend_schema(request=WebhookTestInput, responses={201: WebhookTestSerializer})
    def create(self, request: Request) -> Response:
        """Make a test URL for a webhook trigger of the draft; if it has one, that one lives on."""
        asked = self.validated(WebhookTestInput)
        workflow = self.find(Workflow, pk=asked["workflow"])
        test = services.open_test(workflow, node_id=asked["node_id"], by=self.actor, now=timezone.now())
        made = self.get_queryset().get(pk=test.pk)
        return Response(self.get_serializer(made).data, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, pk: str) -> Response:
        """End the test URL at once, and forget what came there."""
        services.close_test(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeliveryPagination(NewestFirstPagination):
    """The deliveries that came last, first."""

    ordering = ("-received_at", "-id")


class DeliveryViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """The inbox of a webhook: what came in, accepted or not."""

    queryset = WebhookDelivery.objects.select_related("registration__workflow", "registration__trigger").defer(
        "registration__workflow__definition"
    )
    project_path = "registration__workflow__project"
    parent = Parent(WebhookRegistration, kwarg="registration_id", project_path="workflow__project")
    serializer_class = DeliveryDetailSerializer
    filterset_class = DeliveryFilter
    pagination_class = DeliveryPagination
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "redeliver": Permission.OPERATE,
        "redeliver_many": Permission.OPERATE,
    }

    def get_serializer_class(self) -> type[Any]:
        return DeliverySerializer if self.action == "list" else DeliveryDetailSerializer

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        queryset = super().get_queryset()
        return queryset.defer("body", "headers", "query_string") if self.action == "list" else queryset

    @extend_schema(request=RedeliverInput, responses={201: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, registration_id: str, pk: str) -> Response:
        """Deliver it again: a new delivery and a new execution, on the newest version or on its own one."""
        delivery, version = self.get_object(), services.RunOn(self.validated(RedeliverInput)["version"])
        again = services.redeliver(delivery, version=version, by=self.actor, now=timezone.now())
        return Response(self.get_serializer(again).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="webhook_registrations_deliveries_redeliver_many",
        request=RedeliverManyInput,
        responses=RedeliveredManySerializer,
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="redeliver", pagination_class=None)
    def redeliver_many(self, request: Request, registration_id: str) -> Response:
        """Deliver several again, each for itself: what keeps one back does not keep back the others."""
        asked = self.validated(RedeliverManyInput)
        outcomes = services.redeliver_many(
            self.get_queryset(),
            asked["ids"],
            version=services.RunOn(asked["version"]),
            by=self.actor,
            now=timezone.now(),
        )
        return Response(RedeliveredManySerializer({"results": outcomes}).data)


class WebhookTestDeliveryViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What came to a test URL, accepted or not: the newest hundred."""

    queryset = WebhookTestDelivery.objects.all()
    project_path = "test__workflow__project"
    parent = Parent(WebhookTest, kwarg="test_id", project_path="workflow__project")
    serializer_class = WebhookTestDeliveryDetailSerializer
    filterset_class = TestDeliveryFilter
    pagination_class = DeliveryPagination
    permissions = {"list": Permission.EDIT, "retrieve": Permission.EDIT}

    def get_serializer_class(self) -> type[Any]:
        return WebhookTestDeliverySerializer if self.action == "list" else WebhookTestDeliveryDetailSerializer

    def get_queryset(self) -> QuerySet[WebhookTestDelivery]:
        queryset = super().get_queryset()
        return queryset.defer("body", "headers", "query_string") if self.action == "list" else queryset
