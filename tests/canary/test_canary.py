"""S-SEC-7: twenty secrets are planted, everything is run through every kind of end, and none of them is found anywhere.

Real processes: a web server, a worker that is killed in the midst of it, beat, PostgreSQL and a broker.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from projects import envelopes
from tests.builders import definition, node
from tests.canary import searching
from tests.canary.echo import Echo, echoing
from tests.canary.needles import escaped, needles, new_core
from tests.canary.scenarios import FILE, MODES, NODES, TOOLS, made_for, request
from tests.installation import Installation, installed
from tests.mail import MailServer, mail_server
from workflows.nodes import base as node_types
from workflows.tools import base as tools

pytestmark = [pytest.mark.crash, pytest.mark.django_db]

# What the webhooks of the test prove themselves with, and the header that carries it.
WEBHOOKS: dict[str, dict[str, Any]] = {
    "bearer": {"scheme": "bearer"},
    "basic": {"scheme": "basic"},
    "header": {"scheme": "header", "header": "X-Webhook-Key"},
    "github": {"scheme": "github"},
}
END_SECONDS = 120


def test_every_node_type_and_tool_has_a_scenario():
    missing = [
        f"NODES[{key!r}] in tests/canary/scenarios.py" for key in sorted(node_types.catalogue().keys() - NODES.keys())
    ] + [f"TOOLS[{name!r}] in tests/canary/scenarios.py" for name in sorted(tools.catalogue().keys() - TOOLS.keys())]

    assert not missing, (
        f"The canary test does not run these yet. Add {'; '.join(missing)}: how it works, and how it fails."
    )


@dataclass
class Planted:
    """The canaries by name, and everything that ran with them."""

    segue: Installation
    echo: Echo
    mail: MailServer
    cores: dict[str, str]
    executions: dict[tuple[str, str], str]
    answers: list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, broker: str) -> Iterator[Planted]:
    folder = tmp_path_factory.mktemp("canary")
    with (
        echoing() as echo,
        mail_server() as mail,
        installed("postgres", folder, broker, **_settings(folder, mail)) as segue,
    ):
        segue.start()
        found = Planted(segue, echo, mail, {}, {}, [])
        _plant_project(found)
        _publish_children(found)
        for key, scenario in [*NODES.items(), *TOOLS.items()]:
            for mode in MODES:
                _run(found, key, mode, made_for(scenario, mode, echo.url))
        _call_webhooks(found)
        _kill_in_the_midst(found)
        for execution_id in found.executions.values():
            segue.ended(execution_id, seconds=END_SECONDS)
        yield found


def _settings(folder: Path, mail: MailServer) -> dict[str, str]:
    return {
        "SEGUE_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
        "STORAGE_ROOT": str(folder / "storage"),
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mail.port),
        "EMAIL_USE_TLS": "0",
        "LOG_LEVEL": "DEBUG",
    }


def _core(found: Planted, name: str) -> str:
    return found.cores.setdefault(name, new_core())


def _plant_project(found: Planted) -> None:
    core = _core(found, "KEY_FILE")
    values = {f"PROJECT_{number}": escaped(_core(found, f"PROJECT_{number}")) for number in range(1, 10)}
    values["CONNECTION"] = f"postgres://alice:{_core(found, 'CONNECTION')}@db.example.com/app?sslmode=require"
    database = urlsplit(found.segue.environment["DATABASE_URL"])
    host = database.netloc.rpartition("@")[2] or "127.0.0.1:5432"
    # The test's server believes everybody, with any password.
    values["DATABASE"] = f"postgresql://postgres:{_core(found, 'DATABASE')}@{host}{database.path}"
    values["SIGNING"] = f"whsec_{base64.b64encode(_core(found, 'SIGNING').encode() * 2).decode()}"
    values["KEY_FILE"] = f"-----BEGIN KEY-----\n{core}\n-----END KEY-----\n"
    for name, value in values.items():
        body = {"value": value, "is_secret": True}
        found.segue.api.put(f"/projects/{found.segue.project}/variables/{name}/", json=body).raise_for_status()


def _give_own(found: Planted, workflow_id: str) -> None:
    for number in range(1, 6):
        body = {"value": f"own {_core(found, f'OWN_{number}')}", "is_secret": True}
        found.segue.api.put(f"/workflows/{workflow_id}/variables/OWN_{number}/", json=body).raise_for_status()


def _published(found: Planted, name: str, raw: dict[str, Any]) -> str:
    """Publish a workflow that has secrets of its own: they must be there first."""
    api = found.segue.api
    made = api.post("/workflows/", json={"project": found.segue.project, "name": name, "definition": raw})
    made.raise_for_status()
    workflow_id: str = made.json()["id"]
    _give_own(found, workflow_id)
    published = api.post(f"/workflows/{workflow_id}/publish/", json={})
    assert published.status_code in {200, 201}, f"{name}: {published.text}"
    return workflow_id


def _publish_children(found: Planted) -> None:
    end = node("output", {"value": ["{{ input }}", "{{ nodes.tell.output }}"]})
    _published(found, "child", definition("start > tell > end", tell=request(f"{found.echo.url}/echo"), end=end))
    failing = {**request(f"{found.echo.url}/fail"), "retry": {"max_attempts": 1}}
    write = node("tool", {"tool": "storage.write", "with": {"name": FILE, "json": "{{ nodes.tell.output }}"}})
    writer = definition("start > tell > write", tell=request(f"{found.echo.url}/echo"), write=write)
    written = found.segue.run(_published(found, "writer", writer))
    assert found.segue.ended(written["id"])["status"] == "completed"
    _published(found, "failing child", definition("start > tell", tell=failing))


def _run(found: Planted, key: str, mode: str, raw: dict[str, Any]) -> None:
    workflow_id = _published(found, f"{key}: {mode}", raw)
    found.executions[key, mode] = found.segue.run(workflow_id)["id"]


def _call_webhooks(found: Planted) -> None:
    """Prove with the right secret and with a wrong one, and hear what the caller is told of the service's answer."""
    for name, auth in WEBHOOKS.items():
        core = _core(found, f"webhook {name}")
        secret = f"alice:{core}" if name == "basic" else core
        raw = definition(
            "start > tell > end",
            start=node("trigger", {"kind": "webhook", "path": f"canary-{name}", "auth": auth, "respond": "finished"}),
            tell=request(f"{found.echo.url}/echo"),
            end=node("output", {"value": "{{ [nodes.tell.output, trigger] }}"}),
        )
        workflow_id = _published(found, f"webhook {name}", raw)
        hook = found.segue.webhook(workflow_id)
        given = found.segue.api.post(f"/webhook-registrations/{hook['id']}/secret/", json={"secret": secret})
        given.raise_for_status()
        for proof in _proofs(name, secret):
            answer = httpx2.post(hook["url"], json={"order": 7}, headers=proof, timeout=60, trust_env=False)
            found.answers.append((f"answer of the webhook {name}", answer.content + str(answer.headers).encode()))


def _proofs(name: str, secret: str) -> list[dict[str, str]]:
    match name:
        case "bearer":
            return [{"Authorization": f"Bearer {secret}"}, {"Authorization": f"bearer  {secret}"}]
        case "basic":
            return [{"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}]
        case "header":
            return [{"X-Webhook-Key": secret}]
    signature = hmac.new(secret.encode(), b'{"order":7}', hashlib.sha256).hexdigest()
    return [{"X-Hub-Signature-256": f"sha256={signature}"}, {"X-Hub-Signature-256": "sha256=0"}]


def _kill_in_the_midst(found: Planted) -> None:
    """SIGKILL the worker while calls are under way, and let another one go on."""
    wanted = len([1 for _, mode in found.executions if mode == "crash"])
    until = time.monotonic() + END_SECONDS
    while found.echo.stuck < min(wanted, 8) and time.monotonic() < until:
        time.sleep(0.1)
    assert found.echo.stuck, "Nobody came to the call in which the worker was to be killed."
    found.segue.kill("worker")
    found.echo.release()
    found.segue.start("worker")


def _refuse_canaries(found: Planted, where: str, content: bytes) -> None:
    for name, core in found.cores.items():
        for needle in needles(core):
            at = content.find(needle)
            assert at < 0, f"{name} is in {where}: …{content[max(at - 200, 0) : at + 80]!r}…"


class TestPlanting:
    def test_there_are_twenty(self, planted):
        """Beside the keys of the installation and of the API, which are looked for as they are."""
        assert len(planted.cores) >= 20

    def test_the_service_was_told_all_that_are_sent(self, planted):
        kept = ("DATABASE", "SIGNING")  # One proves who we are to a database, one only signs.
        sent = [name for name in planted.cores if not name.startswith("webhook ") and name not in kept]

        assert [name for name in sent if not planted.echo.was_told(planted.cores[name])] == []

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [("success", "completed"), ("failure", "failed"), ("timeout", "failed"), ("crash", "completed")],
    )
    def test_all_came_to_the_end_that_they_were_made_for(self, planted, mode, expected):
        ends = {
            key: planted.segue.execution(execution_id)["status"]
            for (key, its_mode), execution_id in planted.executions.items()
            if its_mode == mode
        }

        assert {key for key, status in ends.items() if status != expected} == set()


def _keys(planted: Planted) -> dict[str, str]:
    environment = planted.segue.environment
    return {
        "SECRET_KEY": environment["SECRET_KEY"],
        "SEGUE_ENCRYPTION_KEYS": environment["SEGUE_ENCRYPTION_KEYS"].partition(":")[2],
        "API key": planted.segue.api.headers["Authorization"].removeprefix("Bearer "),
    }


class TestNoCanaryIsFound:
    def look(self, planted: Planted, places: Iterator[tuple[str, bytes]]) -> int:
        count = 0
        for where, content in places:
            count += 1
            _refuse_canaries(planted, where, content)
            for name, key in _keys(planted).items():
                assert key.encode() not in content, f"{name} is in {where}"
        return count

    def test_in_a_dump_of_the_database(self, planted):
        assert self.look(planted, searching.in_database(planted.segue, set(envelopes.columns()))) > 100

    def test_in_the_logs(self, planted):
        assert self.look(planted, searching.in_logs(planted.segue)) >= len(searching.PROCESSES)

    def test_in_the_files_and_mail_that_nodes_have_written(self, planted):
        assert self.look(planted, searching.in_files(planted.segue)) >= 2
        assert self.look(planted, (("mail", each.content) for each in planted.mail.envelopes)) >= 1

    def test_in_the_broker(self, planted):
        self.look(planted, searching.in_broker(planted.segue))

    def test_in_what_webhooks_answered(self, planted):
        assert self.look(planted, iter(planted.answers)) >= len(WEBHOOKS)

    def test_in_any_answer_of_the_api(self, planted):
        assert self.look(planted, searching.in_api(planted.segue)) > 200

    def test_on_any_page_of_the_admin(self, planted):
        assert self.look(planted, searching.in_admin(planted.segue)) > 200
