"""What the body of an answer is, by its content type."""

from __future__ import annotations

import base64
import codecs
import re
from typing import Any, Literal

from projects.payloads import parse_json
from workflows.http.replies import Reply

ReadAs = Literal["auto", "json", "text", "bytes"]
BodyFormat = Literal["json", "text", "base64", "empty"]

# A list of records from a service that the author chose may hold more than a webhook from a stranger.
MAX_JSON_KEYS = 500_000

_TEXTS = frozenset(
    {
        "application/graphql",
        "application/javascript",
        "application/sql",
        "application/toml",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
    }
)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:+-]{1,40})""", re.IGNORECASE)
# Character sets proper. Python also calls "punycode" and the like encodings; they are slow on purpose-made input.
_CHARSET_NAMES = re.compile(
    r"utf-(8|16|32)(-[a-z]+)?|ascii|iso8859-\d+|cp\d+|koi8-[rtu]|shift_jis\w*|euc_\w+|gb\w+|big5\w*|iso2022_\w+|mac-\w+"
)


def read(reply: Reply, read_as: ReadAs) -> tuple[BodyFormat, Any]:
    """Return the body as JSON data, and what kind of data it is.

    ``auto`` goes by the content type: JSON as its value, text as text, everything else as base64. A body without a content
    type is text if it is UTF-8.

    :raises Invalid: if it should be JSON and is not, or is nested too deep.
    """
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = _kind(media_type, reply.body) if read_as == "auto" else read_as
    match kind:
        case "bytes":
            return "base64", base64.b64encode(reply.body).decode("ascii")
        case "text":
            return "text", text_of(reply)
        case _ if not reply.body:
            return "empty", None
        case _:
            data = text_of(reply).encode(errors="surrogatepass")
            return "json", parse_json(data, max_bytes=len(data), max_keys=MAX_JSON_KEYS, max_string_bytes=len(data))


def text_of(reply: Reply) -> str:
    """Return the body as text in the character set that it claims (else UTF-8); what is not in it becomes U+FFFD."""
    charset = charset_of(reply.headers.get("content-type", ""))
    return reply.body.decode("utf-8-sig" if charset in (None, "utf-8") else charset, errors="replace")


def charset_of(content_type: str) -> str | None:
    """Return the character set that a content type names, as Python calls it; ``None`` if it names none that can be used."""
    found = _CHARSET.search(content_type)
    try:
        known = codecs.lookup(found[1]).name if found else ""
    except LookupError:
        return None
    return known if _CHARSET_NAMES.fullmatch(known) else None


def is_text(reply: Reply) -> bool:
    """Test whether a body can be shown to people."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _kind(media_type, reply.body) != "bytes"


def _kind(media_type: str, body: bytes) -> ReadAs:
    if not body or media_type in {"application/json", "text/json"} or media_type.endswith("+json"):
        return "json"
    if media_type.startswith("text/") or media_type.endswith("+xml") or media_type in _TEXTS:
        return "text"
    if not media_type and _is_utf8(body):
        return "text"
    return "bytes"


def _is_utf8(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False
