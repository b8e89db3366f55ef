"""Named places at which processes die on purpose, and nowhere but in tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from projects import failpoints
from projects.failpoints import Rule, failpoint, rules


@pytest.fixture
def arm():
    """Arm this process, and disarm it afterwards."""

    def armed(value, *, secure=False):
        failpoints.arm({failpoints.VARIABLE: value}, secure=secure)

    yield armed
    failpoints.arm({}, secure=False)


class TestFailpoint:
    def test_does_nothing_unless_the_environment_says_so(self):
        failpoint("claim.inside")

    def test_acts_once_and_only_there(self, arm):
        arm("claim.inside=error")

        failpoint("claim.after_commit")
        with pytest.raises(OperationalError, match=r"claim\.inside"):
            failpoint("claim.inside")
        failpoint("claim.inside")

    def test_acts_the_nth_time(self, arm):
        arm("claim.inside=error@3")

        failpoint("claim.inside")
        failpoint("claim.inside")
        with pytest.raises(OperationalError):
            failpoint("claim.inside")

    def test_kills_the_process(self):
        program = (
            "from projects import failpoints; "
            "failpoints.arm({'SEGUE_FAILPOINTS': 'here=kill'}, secure=False); failpoints.failpoint('here')"
        )

        done = subprocess.run([sys.executable, "-c", program], env={**os.environ}, stderr=subprocess.DEVNULL)

        assert done.returncode == -signal.SIGKILL


class TestFolder:
    def test_holds_rules_that_change_while_the_process_runs(self, arm, tmp_path):
        arm(f"@{tmp_path}")
        failpoint("sweep.before")
        (tmp_path / "rules").write_text("sweep.before=error")

        with pytest.raises(OperationalError):
            failpoint("sweep.before")

        assert (tmp_path / "sweep.before.fired").exists()

    def test_lets_a_rule_act_in_one_process_of_all(self, arm, tmp_path):
        (tmp_path / "rules").write_text("sweep.before=error")
        (tmp_path / "sweep.before.fired").touch()
        arm(f"@{tmp_path}")

        failpoint("sweep.before")


class TestArm:
    def test_is_refused_in_production(self, arm):
        with pytest.raises(ImproperlyConfigured, match="die on purpose"):
            arm("claim.inside=kill", secure=True)


class TestRules:
    def test_reads_what_happens_where_and_when(self):
        assert rules("a.b=kill@2; c=pause:1.5\n# a remark") == (Rule("a.b", "kill", 0, 2), Rule("c", "pause", 1.5, 1))

    @pytest.mark.parametrize("text", ["claim", "claim=die", "claim=kill@0", "Claim=kill", "a=b=c"])
    def test_refuses_what_makes_no_sense(self, text):
        with pytest.raises(ImproperlyConfigured, match="is no rule"):
            rules(text)
