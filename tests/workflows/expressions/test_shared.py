"""The evaluator of a process."""

from __future__ import annotations

from tests.workflows.expressions.evaluating import value_of
from workflows.expressions import InProcessSandbox, Sandbox, share, shared_evaluator


class TestSharedEvaluator:
    def test_is_a_sandbox_unless_another_is_shared(self):
        original = shared_evaluator()
        try:
            share(InProcessSandbox())

            assert isinstance(original, Sandbox)
            assert isinstance(shared_evaluator(), InProcessSandbox)
            assert value_of(shared_evaluator(), "1 + 1") == 2
        finally:
            share(original)
