"""HTTP header names and values in configs."""

from __future__ import annotations

import re
from typing import Annotated

from workflows.nodes.forms import Form

# A token of RFC 9110.
HeaderName = Annotated[
    str, Form("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", "The name of an HTTP header has letters, digits and `-`, no spaces.")
]
# A line break would begin another header.
HeaderValue = Annotated[
    str,
    Form(
        r"([\x21-\x7e]([\x20-\x7e\t]{0,3998}[\x21-\x7e])?)?",
        "The value of an HTTP header is one line of ASCII without spaces around it, at most 4,000 characters.",
    ),
]

# What an answer to a webhook may be: kinds that no browser runs on our own site.
ANSWER_TYPES = re.compile(r"(text/(plain|csv|xml)|application/(xml|([a-z0-9.-]+\+)?json))( *;.*)?", re.IGNORECASE)
