"""Ready-made workflows."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.ids import new_id


class WorkflowTemplate(models.Model):
    """One ready-made workflow that can be installed into a project. Everybody may read it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The gallery's stable name for it; reloading the gallery updates by it.
    slug = models.SlugField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    category = models.CharField(max_length=64)
    workflow_definition = models.JSONField()
    # [{"name", "description", "is_secret", "schema", "default"?}]
    required_variables = models.JSONField(default=list, blank=True)
    required_tools = models.JSONField(default=list, blank=True)
    required_models = models.JSONField(default=list, blank=True)
    author = models.CharField(max_length=200, blank=True, default="")
    version = models.CharField(max_length=32, default="1.0.0")
    tags = models.JSONField(default=list, blank=True)
    # SVG, drawn when the gallery was loaded; empty: it is drawn when it is asked for.
    preview_image = models.TextField(blank=True, default="")
    usage_count = models.PositiveIntegerField(default=0, editable=False)
    rating = models.DecimalField(
        max_digits=3, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0), MaxValueValidator(5)]
    )
    is_featured = models.BooleanField(default=False)
    is_verified = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "workflow_templates"
        constraints = [
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__gte=0, rating__lte=5),
                name="workflow_templates_rating_check",
            )
        ]
        indexes = [
            models.Index(fields=["name", "id"], name="templates_name"),
            models.Index(fields=["category", "name"], name="templates_category"),
        ]

    def __str__(self) -> str:
        return self.name
