"""docker-compose.yml, read as the container engine would read it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery import Celery
from celery.app.utils import find_app
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

# The processes that run our image for as long as the installation lives.
PROCESSES = ["web", "workflow-worker", "agent-worker", "beat"]
OURS = [*PROCESSES, "migrate"]

REQUIRED = ["SECRET_KEY", "SEGUE_ENCRYPTION_KEYS", "POSTGRES_PASSWORD"]


def example() -> set[str]:
    """Return the names that .env.example explains, those that are commented out too."""
    return set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def words(name: str) -> list[str]:
    """Return a service's command as words, whichever way it is written."""
    command: list[str] = SERVICES[name]["command"]
    return command[2].split() if command[:2] == ["sh", "-c"] else command


class TestServices:
    def test_are_those_of_an_installation(self):
        assert set(SERVICES) == {"postgres", "redis", "rabbitmq", *OURS}

    def test_start_rabbitmq_and_workers_for_agents_only_when_they_are_asked_for(self):
        asked_for = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}

        assert asked_for == {"rabbitmq": ["rabbitmq"], "agent-worker": ["agents"]}

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_come_back_after_a_failure(self, name):
        assert SERVICES[name]["restart"] == ("on-failure:3" if name == "migrate" else "unless-stopped")

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_have_a_health_check_unless_they_end_by_themselves(self, name):
        check = SERVICES[name]["healthcheck"]

        assert check == {"disable": True} if name == "migrate" else check["test"][0] in {"CMD", "CMD-SHELL"}

    @pytest.mark.parametrize("name", sorted(SERVICES))
    def test_wait_for_services_that_can_meet_the_condition(self, name):
        for needed, how in SERVICES[name].get("depends_on", {}).items():
            assert needed in SERVICES
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[needed]["healthcheck"]
            else:
                assert (needed, how["condition"]) == ("migrate", "service_completed_successfully")
            # A service of a profile that is not active does not exist; nobody may insist on it.
            assert how.get("required", True) is not ("profiles" in SERVICES[needed])

    @pytest.mark.parametrize("name", PROCESSES)
    def test_start_after_the_migration(self, name):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"

    @pytest.mark.parametrize("name", PROCESSES)
    def test_share_the_files_of_the_storage(self, name):
        folder = re.search(r"STORAGE_ROOT=(\S+)", (ROOT / "Dockerfile").read_text())[1]

        assert f"storage:{folder}" in SERVICES[name]["volumes"]
        assert "storage" in COMPOSE["volumes"]

    @pytest.mark.parametrize("name", OURS)
    def test_run_the_image_that_is_built_here_without_privileges(self, name):
        service = SERVICES[name]

        assert service["build"] == "."
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]

    def test_are_reached_from_this_machine_alone_unless_somebody_says_otherwise(self):
        assert {name for name, service in SERVICES.items() if "ports" in service} == {"web"}
        assert SERVICES["web"]["ports"] == ["${SEGUE_PUBLISH:-127.0.0.1:8000}:8000"]

    def test_keep_the_database_in_a_volume_that_exists(self):
        volumes = [mount.partition(":")[0] for mount in SERVICES["postgres"]["volumes"]]

        assert volumes == ["postgres"]
        assert list(COMPOSE["volumes"]) == ["postgres", "storage"]


class TestCommands:
    @pytest.mark.parametrize("name", OURS)
    def test_start_programs_that_are_locked(self, name):
        assert words(name)[0] in {"gunicorn", "celery", "python"}

    def test_name_files_that_exist(self):
        command = words("web")

        assert (ROOT / command[command.index("--config") + 1]).is_file()

    @pytest.mark.parametrize("name", ["workflow-worker", "agent-worker", "beat"])
    def test_name_the_celery_app(self, name):
        command = words(name)

        assert isinstance(find_app(command[command.index("-A") + 1]), Celery)

    def test_name_commands_that_exist(self):
        commands = [words("migrate")[index + 1] for index, word in enumerate(words("migrate")) if word == "manage.py"]

        assert commands == ["migrate", "load_gallery", "load_model_prices"]
        assert set(commands) <= set(get_commands())

    def test_give_every_process_time_to_end_its_work(self):
        grace = {name: int(SERVICES[name]["stop_grace_period"].removesuffix("s")) for name in PROCESSES}

        assert all(seconds > 10 for seconds in grace.values())


class TestEnvironment:
    def test_is_explained_in_the_example(self):
        names = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", TEXT))

        assert names >= set(REQUIRED)
        assert names <= example()

    @pytest.mark.parametrize("name", REQUIRED)
    def test_has_no_default_for_a_secret(self, name):
        assert set(re.findall(rf"\$\{{{name}(.?.?)", TEXT)) == {":?"}

    @pytest.mark.parametrize("name", OURS)
    def test_is_the_same_for_every_process(self, name):
        own = {"WORKER_QUEUES": "agents"} if name == "agent-worker" else {}

        assert SERVICES[name]["environment"] == COMPOSE["x-environment"] | own
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]

    def test_lets_the_health_check_in(self):
        assert COMPOSE["x-environment"]["ALLOWED_HOSTS"].endswith(",127.0.0.1")


def has_compose() -> bool:
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    )


@pytest.mark.skipif(not has_compose(), reason="The docker client here has no compose.")
class TestDockerCompose:
    def run(self, **environ: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", "compose", "--env-file", "/dev/null", "config", "--quiet"]
        clean = {name: value for name, value in os.environ.items() if name not in REQUIRED}
        return subprocess.run(command, cwd=ROOT, env={**clean, **environ}, capture_output=True, text=True)

    def test_accepts_the_file(self):
        assert self.run(**dict.fromkeys(REQUIRED, "x")).returncode == 0

    def test_says_which_secret_is_missing(self):
        assert "Set SECRET_KEY in .env" in self.run().stderr
