"""The API's routes of this app."""

from __future__ import annotations

from rest_framework.routers import BaseRouter

from executions.approval_views import ApprovalViewSet, GoneEndpointViewSet, LinkViewSet
from executions.conversations.views import ConversationMessageViewSet, ConversationViewSet
from executions.outgoing.views import OutgoingHoldViewSet, OutgoingLimitViewSet
from executions.spending.views import BudgetViewSet, ModelStatisticsViewSet
from executions.statistics_views import ProjectStatisticsViewSet, WorkflowStatisticsViewSet
from executions.views import ExecutionViewSet, NodeRunViewSet, RunViewSet, TestNodeViewSet, TestViewSet


def register(router: BaseRouter) -> None:
    """Add this app's viewsets to the API's router."""
    router.register("executions", ExecutionViewSet, basename="execution")
    router.register(r"executions/(?P<execution_id>[^/.]+)/node-runs", NodeRunViewSet, basename="node-run")
    router.register(r"executions/(?P<execution_id>[^/.]+)/links", LinkViewSet, basename="execution-link")
    router.register("approvals", ApprovalViewSet, basename="approval")
    router.register("gone-endpoints", GoneEndpointViewSet, basename="gone-endpoint")
    router.register("conversations", ConversationViewSet, basename="conversation")
    router.register(
        r"conversations/(?P<conversation_id>[^/.]+)/messages",
        ConversationMessageViewSet,
        basename="conversation-message",
    )
    router.register("outgoing-limits", OutgoingLimitViewSet, basename="outgoing-limit")
    router.register("outgoing-holds", OutgoingHoldViewSet, basename="outgoing-hold")
    router.register("budgets", BudgetViewSet, basename="budget")
    router.register("statistics/models", ModelStatisticsViewSet, basename="model-statistics")
    router.register(r"workflows/(?P<workflow_id>[^/.]+)/run", RunViewSet, basename="workflow-run")
    router.register(r"workflows/(?P<workflow_id>[^/.]+)/test-node", TestNodeViewSet, basename="workflow-test-node")
    router.register(r"workflows/(?P<workflow_id>[^/.]+)/test", TestViewSet, basename="workflow-test")
    router.register(
        r"projects/(?P<project_id>[^/.]+)/statistics", ProjectStatisticsViewSet, basename="project-statistics"
    )
    router.register(
        r"workflows/(?P<workflow_id>[^/.]+)/statistics", WorkflowStatisticsViewSet, basename="workflow-statistics"
    )
