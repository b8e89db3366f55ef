"""A model provider that costs nothing: it speaks the protocols of OpenAI and Anthropic over HTTP and answers by a script.

``manage.py fake_provider`` runs it, :class:`FakeProvider` runs it within a test. It counts what it was asked, so that a test
can show that no call is paid for twice, and records real providers so that tests can replay them.
"""

from workflows.fake_provider.provider import FakeProvider
from workflows.fake_provider.script import BrokenScript, Script

__all__ = ["BrokenScript", "FakeProvider", "Script"]
