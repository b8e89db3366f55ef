"""The reference pages leave nothing out and invent nothing: settings, commands, endpoints, roles, limits."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from drf_spectacular.generators import EndpointEnumerator

from executions import serializers as execution_serializers
from executions.engine.values import MOST_BYTES_IN_A_ROW
from projects import filters, payloads
from projects.access import RANKS, Permission, role_allows
from projects.pagination import NewestFirstPagination
from projects.problems import STATUS
from tests.docs import transform_page
from tests.docs.pages import ROOT, blocks, pages
from triggers.services import deliveries, webhook_secrets
from triggers.webhooks import received
from workflows import services as workflows
from workflows.definition import shape
from workflows.expressions import SCRIPT_LIMITS, Limits
from workflows.http import door, hops
from workflows.nodes import delay
from workflows.nodes.transform import batch, documents, extract_html, pdf_files, size, tables, xml_mapping
from workflows.nodes.transform.spreadsheets import reading
from workflows.tools import email_send, sql_query
from workflows.tools.mcp import client, messages
from workflows.tools.storage import files, listing

DOCS = ROOT / "docs"
OUR_APPS = {"config", "projects", "workflows", "executions", "triggers", "templates_app"}
# Options that every command of Django has.
EVERYWHERE = {
    *("help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks")
}


def text_of(*path: str) -> str:
    return DOCS.joinpath(*path).read_text(encoding="utf-8")


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, without headings."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not set(line) <= set("|- ")]


class TestSettings:
    """docs/reference/settings.md against .env.example and config/settings.py."""

    ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
    DEFAULTS = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", ENV_EXAMPLE, flags=re.MULTILINE))
    DOCUMENTED = {
        cells[0].strip("`"): cells[1].strip("`") for cells in table_rows(text_of("reference", "settings.md"))[1:]
    }
    # What a default says in words.
    IN_WORDS = {"DATABASE_URL", "CELERY_BROKER_URL"}

    def test_every_setting_is_there_and_no_other(self):
        assert set(self.DOCUMENTED) - {"name"} == set(self.DEFAULTS)

    @pytest.mark.parametrize("name", sorted(set(DEFAULTS) - IN_WORDS))
    def test_defaults_are_those_of_the_example(self, name):
        assert self.DOCUMENTED[name] == self.DEFAULTS[name]

    @pytest.mark.parametrize("name", sorted(name for name, value in DEFAULTS.items() if value.isdigit()))
    def test_defaults_of_the_example_are_those_of_the_settings(self, name):
        source = (ROOT / "config" / "settings.py").read_text() + (ROOT / "config" / "gunicorn.py").read_text()
        given = re.findall(rf'\("{name}", (?:default=)?([^)]+)\)', source)

        assert not given or all(str(_worth(value)) == self.DEFAULTS[name] for value in given)


def _worth(literal: str) -> int:
    """Return what a default in the source is: 2 * 1024, "16", False."""
    if literal in ("False", "True"):
        return int(literal == "True")
    value = 1
    for factor in literal.strip('"').split("*"):
        value *= int(factor.replace("_", ""))
    return value


def commands() -> dict[str, Any]:
    return {name: load_command_class(app, name) for name, app in sorted(get_commands().items()) if str(app) in OUR_APPS}


class TestCommands:
    """docs/reference/commands.md against the commands themselves."""

    SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text_of("reference", "commands.md"), re.M | re.S))

    def test_every_command_has_a_section(self):
        assert set(commands()) == set(self.SECTIONS) - {"Of"}

    @pytest.mark.parametrize("name", commands())
    def test_sections_begin_with_the_help_of_the_command(self, name):
        section = " ".join(self.SECTIONS[name].split())

        assert section.startswith(commands()[name].help)

    @pytest.mark.parametrize("name", commands())
    def test_every_argument_is_there_with_its_help_and_no_other(self, name):
        parser = commands()[name].create_parser("manage.py", name)
        arguments = [action for action in parser._actions if action.dest not in EVERYWHERE]
        documented = {cells[0].strip("`"): cells[2] for cells in table_rows(self.SECTIONS[name])[1:]}

        assert set(documented) == {_name(argument) for argument in arguments}
        for argument in arguments:
            help_text = re.sub(r" ?\(default: .*\)| Default: .*$", "", argument.help or "")
            assert help_text in documented[_name(argument)]

    @pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()])
    def test_commands_that_are_only_shown_exist(self, page: Path):
        known = set(get_commands())
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        for block in blocks(page):
            if block.language == "console":
                assert set(re.findall(r"manage\.py (\w+)", block.text)) <= known, block.place
                assert set(re.findall(r"^make (\w+)", block.text, re.MULTILINE)) <= targets, block.place


def _name(argument: argparse.Action) -> str:
    return argument.option_strings[0] if argument.option_strings else argument.dest


class TestApi:
    """docs/reference/api.md against the routes, the table of roles and the statuses of errors."""

    TEXT = text_of("reference", "api.md")

    def test_every_endpoint_is_there_with_what_it_needs_and_no_other(self):
        documented = {
            (method, _path(path), needs)
            for method, path, needs in re.findall(r"^\| `([A-Z]+) (\S+)` \| (\w+) \|", self.TEXT, re.MULTILINE)
        }

        assert documented == {
            (method, _path(path), _needs(callback, method))
            for path, _, method, callback in EndpointEnumerator().get_api_endpoints()
        }

    @pytest.mark.parametrize("permission", Permission)
    def test_the_table_of_roles_is_the_one_that_counts(self, permission):
        cells = next(row for row in table_rows(self.TEXT) if row[0] == f"`{permission}`")

        assert [mark == "✔" for mark in cells[1:6]] == [role_allows(role, permission) for role in RANKS]

    def test_every_status_of_an_error_is_there(self):
        told = {int(number) for row in table_rows(self.TEXT) for number in re.findall(r"\b4\d\d|5\d\d\b", row[0])}

        assert {int(status) for status in STATUS.values()} - {500} <= told


def _path(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _needs(callback: Any, method: str) -> str:
    view = callback.cls
    action = getattr(callback, "actions", {}).get(method.lower())
    is_public = action in getattr(view, "public", ()) or any(
        permission.__name__ == "AllowAny" for permission in view.permission_classes
    )
    if is_public:
        return "public"
    needed = getattr(view, "permissions", {}).get(action)
    return "login" if needed is None else str(needed)


class TestTransform:
    """docs/reference/transform.md against the operations. Their examples are run in tests/workflows/nodes/transform."""

    def test_is_what_the_operations_say(self):
        text = transform_page.PAGE.read_text(encoding="utf-8")

        assert text == transform_page.page(), "Write it again: python -m tests.docs.transform_page"


MIB = 1024 * 1024
LIMITS = Limits()


class TestSafety:
    """The limits of docs/explanation/safety.md against the constants that keep them."""

    ROWS = {cells[0]: cells[1] for cells in table_rows(text_of("explanation", "safety.md")) if len(cells) == 3}

    @pytest.mark.parametrize(
        ("what", "said"),
        [
            ("body of a request to the API", f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE // MIB} MiB"),
            ("body of a webhook", f"{settings.WEBHOOK_MAX_BODY_BYTES // MIB} MiB"),
            ("headers of a webhook", f"{received.MAX_HEADERS}, together {received.MAX_HEADER_BYTES // 1024} KiB"),
            (
                "one statement of the database (PostgreSQL)",
                f"{settings.WEB_STATEMENT_SECONDS} s for a web process, {settings.WORKER_STATEMENT_SECONDS} s for a worker, "
                f"{settings.SWEEP_STATEMENT_SECONDS} s for a sweep",
            ),
            (
                "refused deliveries that are kept",
                f"{deliveries.MAX_NOT_ACCEPTED_KEPT:,} for each webhook, "
                f"{deliveries.MAX_REFUSED_BODY // 1024} KiB of each body",
            ),
            ("a file in the storage", f"{settings.STORAGE_MAX_FILE_BYTES // MIB} MiB"),
            ("files in one list; folders looked at", f"{listing.MAX_FILES:,}; {files.MAX_FOLDERS:,}"),
            (
                "recipients of an e-mail; its size",
                f"{settings.EMAIL_MAX_RECIPIENTS}; {settings.EMAIL_MAX_BYTES // MIB} MiB",
            ),
            ("attachments of an e-mail", f"{email_send.arguments.MAX_ATTACHMENTS}"),
            (
                "SQL statement; its parameters; its rows",
                f"{sql_query.arguments.MAX_SQL_CHARS:,} characters; {sql_query.arguments.MAX_PARAMETERS:,}; "
                f"{sql_query.SqlArguments.model_fields['max_rows'].default:,} unless it says otherwise, at most "
                f"{sql_query.arguments.MAX_ROWS:,}",
            ),
            ("answers of an MCP server; its tools", f"{messages.MAX_BYTES // MIB} MiB; {client.MAX_TOOLS:,}"),
            (
                "JSON",
                f"{payloads.MAX_DEPTH} levels, {payloads.MAX_KEYS:,} keys, "
                f"texts of {payloads.MAX_STRING_BYTES // MIB} MiB, numbers of {payloads.MAX_DIGITS} digits",
            ),
            (
                "definition",
                f"{shape.MAX_BYTES // MIB} MiB, {shape.MAX_NODES} nodes, {shape.MAX_EDGES:,} edges",
            ),
            (
                "variables of a workflow, and of a project",
                f"{workflows.MAX_VARIABLES}, each {workflows.MAX_VARIABLE_BYTES // 1024} KiB; "
                f"{workflows.MAX_HOSTS} hosts of a secret",
            ),
            ("secrets of a webhook valid at once", f"{webhook_secrets.MAX_LIVE}"),
            ("values that a list is narrowed by", f"{filters.MAX_TERMS}"),
            ("page of a list", f"{NewestFirstPagination.max_page_size} rows"),
            ("output of a node", f"{settings.NODE_OUTPUT_MAX_BYTES // MIB} MiB"),
            (
                "of it in the database; a larger one is a file",
                f"{settings.NODE_OUTPUT_INLINE_MAX_BYTES // 1024} KiB",
            ),
            (
                "input of a node, items of a scope, text of an approval: each as it is kept",
                f"{MOST_BYTES_IN_A_ROW // MIB} MiB",
            ),
            ("outputs of an execution", f"{settings.EXECUTION_OUTPUT_MAX_BYTES // MIB} MiB"),
            ("items of a transform", f"{batch.MAX_ITEMS:,}"),
            ("items of a transform as JSON, between its steps", f"{size.MAX_BYTES // MIB} MiB"),
            (
                "expression",
                f"{LIMITS.source_bytes // 1024} KiB of source, {LIMITS.cpu_seconds * 1000:g} ms of processor time, "
                f"a result of {LIMITS.output_bytes // MIB} MiB; one that is only a path, `nodes.order.output`, hands on any output",
            ),
            (
                "all expressions of a node",
                f"{LIMITS.batch_cpu_seconds:g} s of processor time, {LIMITS.input_bytes // MIB} MiB of input, "
                f"{LIMITS.memory_bytes // MIB} MiB of memory, results of {LIMITS.total_output_bytes // MIB} MiB together",
            ),
            (
                "script of a transform",
                f"{SCRIPT_LIMITS.source_bytes // 1024} KiB of source, {SCRIPT_LIMITS.cpu_seconds:g} s of processor time, "
                f"{SCRIPT_LIMITS.memory_bytes // MIB} MiB of memory, {SCRIPT_LIMITS.input_bytes // MIB} MiB of input, "
                f"a result of {SCRIPT_LIMITS.output_bytes // MIB} MiB",
            ),
            (
                "CSV",
                f"{batch.MAX_ITEMS:,} rows, {tables.MAX_CELLS:,} cells, {tables.MAX_COLUMNS:,} columns",
            ),
            (
                "spreadsheet",
                f"{reading.MAX_BYTES // MIB} MiB, {batch.MAX_ITEMS:,} rows, {tables.MAX_CELLS:,} cells, {tables.MAX_COLUMNS:,} columns, "
                f"{reading.MAX_TEXT_CHARS // MIB} MiB of text; {reading.LIMITS.cpu_seconds} s of processor time and "
                f"{reading.LIMITS.memory_bytes // MIB:,} MiB of memory to read it",
            ),
            (
                "HTML page, Markdown",
                f"{documents.MAX_BYTES_EACH // MIB} MiB, {documents.MAX_BYTES // MIB} MiB together; {extract_html.MAX_VALUES:,} values and "
                f"{documents.MAX_CHARS // MIB} MiB of text out of all; {documents.LIMITS.cpu_seconds} s of processor time and "
                f"{documents.LIMITS.memory_bytes // MIB:,} MiB of memory to read them",
            ),
            (
                "PDF file",
                f"{pdf_files.MAX_BYTES // MIB} MiB, {batch.MAX_ITEMS:,} pages, {pdf_files.MAX_CHARS // MIB} MiB of text; "
                f"{pdf_files.LIMITS.cpu_seconds} s of processor time and {pdf_files.LIMITS.memory_bytes // MIB:,} MiB of memory to read it",
            ),
            (
                "XML",
                f"{xml_mapping.MAX_CHARS // MIB} MiB, {xml_mapping.MAX_ELEMENTS:,} elements, {xml_mapping.MAX_DEPTH} levels",
            ),
            (
                "execution",
                f"{settings.WORKFLOW_EXECUTION_TIMEOUT:,} s; "
                f"at most {shape.MAX_EXECUTION_SECONDS // shape.DAY_SECONDS} days if its workflow says so",
            ),
            ("node", f"{settings.WORKFLOW_NODE_TIMEOUT} s; at most {shape.MAX_NODE_SECONDS:,} s if it says so"),
            ("attempts of a node", f"{settings.WORKFLOW_MAX_RETRIES}; at most {shape.MAX_ATTEMPTS} if it says so"),
            ("delay", f"{delay.MAX_DELAY.days} days"),
            ("lost workers in a row", f"{settings.ENGINE_MAX_LOST_WORKERS}"),
            (
                "call to the outside",
                f"{door.TIMEOUT_SECONDS:g} s unless it says otherwise, at most {door.MAX_TIMEOUT_SECONDS:g} s; "
                f"an answer of {door.MAX_BYTES // MIB} MiB; {door.MAX_REDIRECTS} redirects",
            ),
            ("workflows that call each other", f"{hops.MAX_HOPS} hops"),
            (
                "workflows that run each other",
                f"{settings.WORKFLOW_MAX_DEPTH} above one, {settings.WORKFLOW_MAX_DESCENDANTS:,} below the first",
            ),
            (
                "waiting for a result",
                f"120 s for a webhook, {execution_serializers.MAX_WAIT_SECONDS} s for a manual start",
            ),
        ],
    )
    def test_says_the_limit_that_holds(self, what, said):
        assert self.ROWS[what] == said
