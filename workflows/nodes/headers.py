"""HTTP header names and values in configs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

# A token of RFC 9110.
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
# Visible ASCII, spaces inside: a line break would begin another header.
HeaderValue = Annotated[str, Field(pattern=r"^$|^[\x21-\x7e]([\x20-\x7e\t]{0,3998}[\x21-\x7e])?$")]
