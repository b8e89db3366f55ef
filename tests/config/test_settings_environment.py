"""``.env.example`` lists what is read from the environment: all of it, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.environment import ROOT, known_names

APPS = ("config", "projects", "workflows", "executions", "triggers", "templates_app")
PYTHON = re.compile(
    r"""(?:env\.\w+\(|positive\(|whole\(|switch\(|required\(|json_object\(|environ\.get\(|getenv\(|environ\[)\s*"([A-Z][A-Z0-9_]*)\""""
)
COMPOSE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")
# Read by gunicorn itself.
GUNICORNS_OWN = {"WEB_CONCURRENCY"}


def names_read() -> set[str]:
    sources = [path.read_text(encoding="utf-8") for app in APPS for path in (ROOT / app).rglob("*.py")]
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return {name for text in sources for name in PYTHON.findall(text)} | set(COMPOSE.findall(compose))


def test_the_example_lists_every_name_once():
    assert len(known_names()) == len(set(known_names()))


def test_the_example_and_the_settings_speak_of_the_same_names():
    assert set(known_names()) == names_read() | GUNICORNS_OWN


def test_the_example_explains_every_name():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    explained = False
    for line in lines:
        if re.match(r"^#?[A-Z][A-Z0-9_]*=", line):
            assert explained, line
        else:
            explained = line.startswith("# ") and not line.startswith("# ---")


def test_the_examples_defaults_are_the_settings_own():
    """A commented line shows the default, so uncommenting it changes nothing."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    source = (ROOT / "config/settings.py").read_text(encoding="utf-8")
    for name, default in re.findall(r'(?:positive|whole)\("([A-Z_0-9]+)", ([0-9 *_]+)\)', source):
        value = 1
        for factor in default.replace("_", "").split("*"):
            value *= int(factor)
        assert f"#{name}={value}\n" in text


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECURE", "perhaps", "SECURE is 'perhaps'"),
        ("DEBUG", "yess", "DEBUG is 'yess'"),
        ("SEGUE_ENV_FILE", "/there/is/no/such/file", "there is no such file"),
    ],
)
def test_what_means_nothing_is_refused(name, value, said):
    """A word that is mistyped must not switch safety off in silence."""
    environment = {**os.environ, "SECRET_KEY": "x", "SEGUE_ENV_FILE": os.devnull, name: value}

    done = subprocess.run(
        [sys.executable, "-c", "import config.settings"], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert done.returncode != 0
    assert said in done.stderr
