"""One table of statuses, one shape of error. The bad-input cases are S-DOS and S-CODE: a 4xx, never a 500."""

from __future__ import annotations

import pytest
from django.core import exceptions as django_errors
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions as api_errors
from rest_framework.exceptions import ErrorDetail

from projects import exceptions, problems
from projects.exceptions import Invalid, SegueError, TooMany, Unavailable
from projects.models import Project
from projects.problems import describe


def families():
    return [
        family
        for family in vars(exceptions).values()
        if isinstance(family, type) and issubclass(family, SegueError) and family.__bases__ == (SegueError,)
    ]


class TestSegueErrors:
    @pytest.mark.parametrize("family", families())
    def test_each_family_has_its_status(self, family):
        assert family in problems.STATUS

    def test_a_member_of_a_family_has_the_familys_status_and_its_own_code(self):
        problem = describe(exceptions.LastOwner("The only one.", hint="Make another."))

        assert (problem.status, problem.as_json()) == (
            409,
            {"code": "last_owner", "message": "The only one.", "hint": "Make another."},
        )

    def test_invalid_lists_its_problems(self):
        found = [{"code": "cycle", "path": "/nodes/1", "message": "A cycle.", "hint": "Remove an edge."}]

        assert describe(Invalid("It has problems.", problems=found)).as_json()["problems"] == found

    @pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (3, "3")])
    @pytest.mark.parametrize("family", [TooMany, Unavailable])
    def test_says_when_to_come_back(self, family, seconds, header):
        assert describe(family("Later.", retry_after=seconds)).headers == {"Retry-After": header}

    def test_what_no_caller_can_mend_is_a_500_and_is_logged(self, caplog):
        class Broken(SegueError):
            code = "broken"

        problem = describe(Broken("A key is missing."))

        assert (problem.status, problem.code) == (500, "broken")
        assert "a reason that its caller cannot mend" in caplog.text


class TestValidation:
    def test_names_the_place_of_every_problem(self):
        detail = {
            "name": ["Too long.", "Too loud."],
            "non_field_errors": ["Contradiction."],
            "edges": [{}, {"source/a": ["Unknown."]}],
            "tags": {2: ["Not a text."]},
            "nested": {"deep~er": {"non_field_errors": ["Wrong."]}},
        }

        problem = describe(api_errors.ValidationError(detail))

        assert problem.message == "The request has 6 problems."
        assert [(row["path"], row["message"]) for row in problem.problems] == [
            ("/name", "Too long."),
            ("/name", "Too loud."),
            ("", "Contradiction."),
            ("/edges/1/source~1a", "Unknown."),
            ("/tags/2", "Not a text."),
            ("/nested/deep~0er", "Wrong."),
        ]

    def test_a_single_problem_is_told_at_once(self):
        problem = describe(api_errors.ValidationError({"name": [ErrorDetail("Too long.", code="max_length")]}))

        assert problem.as_json() == {
            "code": "invalid",
            "message": "Too long.",
            "path": "/name",
            "problems": [{"code": "max_length", "message": "Too long.", "path": "/name"}],
        }

    def test_speaks_of_parameters_when_there_is_no_body(self):
        assert describe(api_errors.ValidationError({"status": ["Unknown."]}), in_query=True).path == "?status"

    def test_knows_djangos_own(self):
        problem = describe(django_errors.ValidationError({"name": ["Too long."]}))

        assert (problem.status, problem.path, problem.message) == (400, "/name", "Too long.")
        assert describe(django_errors.ValidationError("“x” is not a valid UUID.")).status == 400


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (api_errors.NotAuthenticated(), 401, "unauthenticated"),
        (api_errors.AuthenticationFailed(), 401, "unauthenticated"),
        (api_errors.PermissionDenied(), 403, "forbidden"),
        (api_errors.NotFound(), 404, "not_found"),
        (api_errors.MethodNotAllowed("POST"), 405, "method_not_allowed"),
        (api_errors.NotAcceptable(), 406, "not_acceptable"),
        (api_errors.ParseError(), 400, "not_json"),
        (api_errors.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (api_errors.Throttled(wait=3), 429, "too_many"),
        (Http404(), 404, "not_found"),
        (Project.DoesNotExist(), 404, "not_found"),
        (django_errors.PermissionDenied(), 403, "forbidden"),
        (django_errors.RequestDataTooBig(), 413, "too_large"),
        (django_errors.TooManyFieldsSent(), 400, "invalid"),
        (django_errors.DisallowedHost(), 400, "invalid"),
        (UnreadablePostError(), 400, "invalid"),
        (ProtectedError("", set()), 409, "conflict"),
        (DataError(), 400, "invalid"),
        (OperationalError(), 503, "unavailable"),
        (InterfaceError(), 503, "unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_others_errors_are_told_in_the_same_shape(error, status, code):
    problem = describe(error)

    assert (problem.status, problem.code) == (status, code)
    assert problem.message.endswith(".")


def test_a_missing_media_type_is_told_what_to_send():
    assert "Content-Type: application/json" in describe(api_errors.UnsupportedMediaType("text/plain")).hint


def test_a_lost_race_for_a_name_is_a_conflict(db):
    project = Project.objects.create(name="One")

    with pytest.raises(IntegrityError) as caught:
        Project.objects.create(pk=project.pk, name="Two")

    assert describe(caught.value).status == 409


@pytest.mark.parametrize("error", [KeyError("x"), IntegrityError("NOT NULL"), RuntimeError()])
def test_our_own_mistakes_are_nobodys_business(error):
    assert describe(error) is None
