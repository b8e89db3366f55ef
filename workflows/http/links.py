"""The ``Link`` header (RFC 8288): where an answer says what is next."""

from __future__ import annotations

import re

# A link: its target, and what follows it up to a comma that stands in no quotes.
_LINK = re.compile(r'[\s,]*<(?P<target>[^<>]*)>(?P<parameters>(?:[^,"]|"(?:[^"\\]|\\.)*")*)')
_PARAMETER = re.compile(r';\s*(?P<name>[^\s=;,"]+)\s*(?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s;,"]*)))?')


def target_of(header: str, rel: str) -> str | None:
    """Return the target of the first link with a relation type, as it is written there; ``None`` if there is none.

    Relation types are compared without regard to case, and one link may have several (3.3). A link that has an ``anchor`` speaks of something
    else than the answer (3.2), and is passed over.

    :param header: the header's value, several of them joined by commas.
    """
    position = 0
    while link := _LINK.match(header, position):
        position = link.end()
        parameters = _parameters(link["parameters"])
        if "anchor" not in parameters and rel.lower() in parameters.get("rel", "").lower().split():
            return link["target"].strip()
    return None


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in _PARAMETER.finditer(text):
        value = each["plain"] or ""
        if each["quoted"] is not None:
            value = re.sub(r"\\(.)", r"\1", each["quoted"])
        # Of a parameter that is given twice, the first one counts (3.3).
        found.setdefault(each["name"].lower(), value)
    return found
