"""Every model has a factory whose smallest row the database takes, with each of its traits."""

from __future__ import annotations

import pytest
from django.apps import apps

from tests import factories
from tests.factories import RowFactory

OUR_APPS = {"projects", "workflows", "executions", "triggers", "templates_app"}
FACTORIES = [
    factory
    for factory in vars(factories).values()
    if isinstance(factory, type) and issubclass(factory, RowFactory) and factory is not RowFactory
]
TRAITS = [
    (factory, trait)
    for factory in FACTORIES
    for trait, declared in factory._meta.parameters.items()
    if type(declared).__name__ == "Trait"
]


def test_every_model_of_ours_has_a_factory():
    models = {model for model in apps.get_models() if model._meta.app_label in OUR_APPS}

    assert models <= {factory._meta.model for factory in FACTORIES}


@pytest.mark.django_db
@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
def test_the_smallest_row_can_be_saved(factory):
    factory().refresh_from_db()


@pytest.mark.django_db
@pytest.mark.parametrize(("factory", "trait"), TRAITS, ids=lambda value: getattr(value, "__name__", value))
def test_a_row_with_a_trait_can_be_saved(factory, trait):
    factory(**{trait: True}).refresh_from_db()
