"""docs/reference/models.md names the codes and limits that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from workflows.http import MAX_TIMEOUT_SECONDS
from workflows.llm import errors
from workflows.llm.requests import BASE_URLS
from workflows.llm.transport import MAX_ANSWER_BYTES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "models.md").read_text()


class TestModelsPage:
    def test_has_every_kind_of_error_and_whether_it_is_tried_again(self):
        kinds = [value for value in vars(errors).values() if isinstance(value, errors.Kind)]
        rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (yes|no) \|$", PAGE, flags=re.MULTILINE))

        assert len(kinds) > 9
        assert rows == {kind.code: "yes" if kind.retryable else "no" for kind in kinds} | {"bad_redirect": "no"}

    def test_has_the_providers_and_where_they_are(self):
        for provider, url in BASE_URLS.items():
            assert re.search(rf"^\| `{provider}` \| .* \| `{re.escape(url)}` \|$", PAGE, flags=re.MULTILINE)

    def test_has_the_limits(self):
        assert (
            f"at most {MAX_TIMEOUT_SECONDS:g} seconds, an answer at most {MAX_ANSWER_BYTES // 1024 // 1024} MB" in PAGE
        )
