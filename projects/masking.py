"""Keeping secrets out of whatever is stored or shown: the one place that knows how a secret may look.

A secret comes back in many spellings: services echo headers, error messages quote URLs, libraries print what they were given.
A :class:`Masker` knows some secrets and finds them as they are, in base64 at any of the three places at which they may begin
in it (so also within the user and password of basic authentication), encoded for URLs, escaped for JSON, HTML and XML, and in hex.
Base64 and hex are found across the ends of lines as well: e-mails and many tools break them.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from heapq import nlargest
from threading import Lock
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import orjson

MASK = "••••••"
# A shorter secret is looked for only where it stands as a word of its own: anywhere else it would tear holes into texts and
# numbers that have nothing to do with it.
SHORTEST = 6
# Even that makes no sense below this.
SHORTEST_WORD = 3
# A line of a key in several lines, that is long enough to be told from text.
SHORTEST_LINE = 16
# More lines of one secret cost more than they are worth: the longest are looked for, as keys have them.
MOST_LINES = 100
# So many spellings are looked for one by one; of more, first those are found that a text may hold.
MANY_SPELLINGS = 100
# A run of letters and digits that stands nowhere by chance.
SHORTEST_RUN = 16
# How many secrets a process keeps away from its logs: those that it has seen last.
MOST_IN_LOGS = 256

# What each of these leaves alone: nothing; Python's default; JavaScript's encodeURIComponent and encodeURI.
_SAFE_IN_URLS = ("", "/", "!*'()", ";,/?:@&=+$-_.!~*'()#")
# What writers of JSON escape beyond what they must, so that it may stand in HTML: nothing; Go, Rails and PHP; Gson; .NET.
_ESCAPED_IN_JSON = ("", "<>&", "<>&='", "<>&'\"+`")
_ESCAPES_IN_JSON = re.compile(r"\\u[0-9a-f]{4}")
# How HTML and XML spell the two quotes.
_SINGLE_QUOTES = ("'", "&#x27;", "&#39;", "&#039;", "&apos;")
_DOUBLE_QUOTES = ('"', "&quot;", "&#34;")
_RUNS = re.compile(r"[A-Za-z0-9]+")
_PASSWORD = re.compile(r"\b(?:password|pwd|passwd)\s*=\s*(?:'((?:[^'\\]|\\.)+)'|([^\s;&']+))", re.IGNORECASE)
_SURROGATES = re.compile("[\ud800-\udfff]")
# The end of a line, also as JSON (of JSON, and so on) and URLs spell it, and what the next line is indented by.
_LINE_END = r"(?:[\r\n]|\\++[rn]|%0[AaDd])++[ \t]*+"
_LINE_ENDS = re.compile(_LINE_END)
# Base64 or hex in several lines. Nobody breaks them after fewer characters than the first line must have here.
_IN_LINES = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{16,}}+(?:{_LINE_END}[A-Za-z0-9+/_=-]++)++")
# A word that is not complete, or such lines.
_LAST_WORD = re.compile(
    rf"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{{16,}}+(?:{_LINE_END}[A-Za-z0-9+/_=-]++)*+(?:{_LINE_END})?+(?:\\++|%0?+)?+"
    r"|[A-Za-z0-9+/_-]++)\Z"
)
# What stands where a secret was, until all are found. No line of base64 has it.
_HOLE = "\0"
_HOLES = re.compile(f"{_HOLE}+")
# Most texts have no such line. This finds out fast.
_MAY_BE_IN_LINES = re.compile(r"[\r\n\\%](?<=[A-Za-z0-9+/_-]{16}[\r\n\\%])")


class Masker:
    """Masks some secrets, in any data. Any thread may add to them while others mask."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = Lock()
        self._known: frozenset[str] = frozenset()
        self._matcher: _Matcher | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Mask these as well. That they are known already costs next to nothing."""
        if self._known.issuperset(secrets):
            return
        with self._lock:
            self._known = self._known.union(secrets)
            self._matcher = _matcher(self._known)

    def mask(self, value: Any) -> Any:
        """Return JSON data in which none of the secrets can be read. Without any in it, it is the same object."""
        return value if self._matcher is None else self._matcher.mask(value)

    def mask_text(self, text: str) -> str:
        """Return a text in which none of the secrets can be read."""
        return text if self._matcher is None else self._matcher.mask_text(text)

    def settled(self, text: str) -> int:
        """Return how many characters of a text that is not complete can be masked by themselves, whatever follows.

        No secret lies across that place, and none that has only begun lies before it.
        """
        return len(text) if self._matcher is None else self._matcher.settled(text)


class _Matcher:
    """The spellings of a set of secrets, put together once."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {
            spelling
            for secret in secrets
            for part in _parts(secret)
            for reading in _readings(part)
            for spelling in _spellings(reading)
        }
        # The longest first: one may be part of another.
        self._spellings = sorted(found, key=lambda spelling: (-len(spelling), spelling))
        self._in_texts = _Needles([spelling.encode() for spelling in self._spellings])
        # As they stand in a JSON text: whether any is in a value takes one look at the whole.
        self._in_json = _Needles([orjson.dumps(spelling)[1:-1] for spelling in self._spellings])
        words = sorted({word for word in secrets if SHORTEST_WORD <= len(word) < SHORTEST}, key=len, reverse=True)
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)") if words else None
        self._all = [*self._spellings, *words]
        self._found = frozenset(found)

    def mask(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask_text(value)
        if not isinstance(value, dict | list | int | float) or self._is_clean(value):
            return value
        return self._masked(value)

    def mask_text(self, text: str) -> str:
        for spelling in self._may_be_in(text):
            if spelling in text:
                text = text.replace(spelling, MASK)
        if self._are_in_lines(text):
            text = _IN_LINES.sub(self._masked_lines, text)
        return self._words.sub(MASK, text) if self._words is not None else text

    def settled(self, text: str) -> int:
        cut = min((_begun(spelling, text) for spelling in self._all), default=len(text))
        # Before what has only begun, another one may be complete that reaches into it.
        while (earlier := min((_across(spelling, text, cut) for spelling in self._all), default=cut)) < cut:
            cut = earlier
        # Lines that belong together are masked together, and not before the last of them is there: so words wait for their ends.
        if self._spellings and (word := _LAST_WORD.search(text)):
            cut = min(cut, word.start())
        lines = (found.span() for found in _IN_LINES.finditer(text))
        return min((begin for begin, end in lines if begin < cut < end), default=cut)

    def _are_in_lines(self, text: str) -> bool:
        """Whether a secret can be read if lines of a text are put together."""
        if _MAY_BE_IN_LINES.search(text) is None:
            return False
        return any(self._masked_lines(lines) != lines[0] for lines in _IN_LINES.finditer(text))

    def _masked_lines(self, lines: re.Match[str]) -> str:
        parts = [part for part in _LINE_ENDS.split(lines[0]) if part]
        bare = "".join(parts)
        for spelling in self._may_be_in(bare):
            bare = bare.replace(spelling, _HOLE * len(spelling))
        if _HOLE not in bare:
            return lines[0]
        # The lines again, with their ends: a secret that goes over several leaves one mask.
        ends, at, masked = [*_LINE_ENDS.findall(lines[0]), ""], 0, ""
        for part, end in zip(parts, ends, strict=True):
            masked += bare[at : at + len(part)]
            at += len(part)
            masked += "" if bare[at - 1 : at + 1] == 2 * _HOLE else end
        return _HOLES.sub(MASK, masked)

    def _is_clean(self, value: Any) -> bool:
        if self._words is not None:
            return False
        try:
            text = orjson.dumps(value)
        except TypeError:
            return False  # Lone surrogates, numbers beyond 64 bits: to be looked at one by one.
        return not self._in_json.are_in(text) and not self._are_in_lines(text.decode())

    def _may_be_in(self, text: str) -> Iterable[str]:
        """Return the spellings that a text may hold, the longest first."""
        if len(self._spellings) <= MANY_SPELLINGS:
            return self._spellings
        return (self._spellings[index] for index in self._in_texts.that_may_be_in(text.encode(errors="surrogatepass")))

    def _masked(self, value: Any) -> Any:
        match value:
            case str():
                return self.mask_text(value)
            case dict():
                return {self.mask(key): self._masked(item) for key, item in value.items()}
            case list() | tuple():
                return [self._masked(item) for item in value]
            case bool():
                return value
            case int() | float():
                return MASK if str(value) in self._found else value
        return value


class _Needles:
    """Very many texts that are looked for in others, in a time that does not depend on how many they are.

    RE2 finds six characters out of the middle of each in one pass. Those of two that begin at one place are the same six.
    """

    _CHARACTERS = SHORTEST
    # So many at a time: their automaton fits into the memory that RE2 allows itself.
    _AT_A_TIME = 1_000
    # A text with more of those than this is looked through for all needles.
    _MOST_HITS = 1_000

    def __init__(self, needles: list[bytes]) -> None:
        self._needles = needles

    @cached_property
    def _by_middle(self) -> Mapping[bytes, list[int]]:
        found: dict[bytes, list[int]] = {}
        for index, needle in enumerate(self._needles):
            text = needle.decode()
            begin = (len(text) - self._CHARACTERS) // 2
            found.setdefault(text[begin : begin + self._CHARACTERS].encode(), []).append(index)
        return found

    @cached_property
    def _patterns(self) -> list[Any]:
        # Loaded where it is needed: most processes have few secrets to look for.
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1  # Bytes are bytes.
        middles = sorted(self._by_middle)
        groups = (middles[start : start + self._AT_A_TIME] for start in range(0, len(middles), self._AT_A_TIME))
        return [re2.compile(b"|".join(map(re2.escape, group)), options=options) for group in groups]

    def are_in(self, text: bytes) -> bool:
        """Test whether a text holds one of them."""
        indexes = range(len(self._needles)) if len(self._needles) <= MANY_SPELLINGS else self.that_may_be_in(text)
        return any(self._needles[index] in text for index in indexes)

    def that_may_be_in(self, text: bytes) -> Sequence[int]:
        """Return which of them a text may hold, in their order. All others it does not hold."""
        found: set[int] = set()
        for pattern in self._patterns:
            at = 0
            for _ in range(self._MOST_HITS):
                if (hit := pattern.search(text, at)) is None:
                    break
                found.update(self._by_middle[hit.group()])
                at = hit.start() + 1
            else:
                return range(len(self._needles))
        return sorted(found)


def _begun(spelling: str, text: str) -> int:
    """Return where a text's end may be the beginning of a spelling; its length, if that is nowhere.

    All of a spelling counts as well: what follows decides whether a short one is a word of its own.
    """
    at = text.find(spelling[0], max(len(text) - len(spelling), 0))
    while at >= 0 and not spelling.startswith(text[at:]):
        at = text.find(spelling[0], at + 1)
    return at if at >= 0 else len(text)


def _across(spelling: str, text: str, cut: int) -> int:
    """Return where a spelling begins that lies across a place; the place, if none does."""
    at = text.find(spelling, max(cut - len(spelling) + 1, 0), cut + len(spelling) - 1)
    return at if at >= 0 else cut


# The same secrets are masked execution after execution, and in line after line of the logs.
@lru_cache(maxsize=2 * MOST_IN_LOGS)
def _matcher(secrets: frozenset[str]) -> _Matcher:
    return _Matcher(secrets)


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret, and what of it may be told without the rest: its lines, the password in a connection's address.

    Also the longest run of letters and digits in it, if it is long enough to have been drawn by lot: whatever spelling of
    spellings the rest has gone through, those are left alone.
    """
    yield secret
    yield secret.strip()  # Headers lose what stands around them; so does what was pasted with the end of its line.
    longest = max(_RUNS.findall(secret), key=len, default="")
    is_word = longest.isalpha() and longest in (longest.lower(), longest.upper(), longest.capitalize())
    if len(longest) >= SHORTEST_RUN and not is_word and not longest.isdecimal():
        yield longest
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from ("\n".join(lines), "\r\n".join(lines))
        long = (line for line in map(str.strip, lines) if len(line) >= SHORTEST_LINE and not line.startswith("-----"))
        yield from nlargest(MOST_LINES, long, key=len)
    elif "://" in secret:
        try:
            password = urlsplit(secret).password
        except ValueError:
            password = None
        if password:
            yield from (password, unquote(password))
    for quoted, bare in _PASSWORD.findall(secret):
        yield quoted or bare


def _readings(part: str) -> set[str]:
    """Return a part as it is, as bytes of UTF-8 that were taken for Latin-1 (in headers), and as it stands in JSON.

    A body of JSON, too, is told on in base64 and in URLs.
    """
    part = _SURROGATES.sub("\ufffd", part)
    escaped = {json.dumps(part, ensure_ascii=ensure_ascii)[1:-1] for ensure_ascii in (True, False)}
    return {part, part.encode().decode("latin-1"), *escaped}


def _spellings(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST:
        return
    raw = secret.encode()
    yield secret
    for safe in _SAFE_IN_URLS:
        encoded = quote(secret, safe=safe)
        yield from (encoded, _lower_case_escapes(encoded))
    encoded = quote_plus(secret)
    yield from (encoded, _lower_case_escapes(encoded))
    yield quote(quote(secret, safe=""), safe="")  # A URL within a URL.
    yield from _in_json(secret)
    for markup in _in_markup(secret):
        yield from (markup, json.dumps(markup)[1:-1], json.dumps(markup, ensure_ascii=False)[1:-1])
    yield repr(secret)[1:-1]
    yield from (raw.hex(), raw.hex().upper())
    for offset in range(3):
        core = _base64_core(raw, offset)
        if len(core) >= SHORTEST:
            yield from (core, core.replace("+", "-").replace("/", "_"))
            encoded = quote(core, safe="")
            yield from (encoded, _lower_case_escapes(encoded), core.replace("/", "\\/"))
            yield from (core.replace("+", plus) for plus in ("\\u002b", "\\u002B"))


def _in_json(secret: str) -> Iterator[str]:
    for ensure_ascii in (True, False):
        plain = json.dumps(secret, ensure_ascii=ensure_ascii)[1:-1]
        for more in _ESCAPED_IN_JSON:
            escaped = plain
            for character in more:
                must = '\\"' if character == '"' else character
                escaped = escaped.replace(must, f"\\u{ord(character):04x}")
            upper = _ESCAPES_IN_JSON.sub(lambda found: f"\\u{found[0][2:].upper()}", escaped)
            yield from (escaped, upper, escaped.replace("/", "\\/"))  # Some escape the slash as well.


def _in_markup(secret: str) -> Iterator[str]:
    escaped = html.escape(secret, quote=False)
    for single in _SINGLE_QUOTES:
        yield from (escaped.replace("'", single).replace('"', double) for double in _DOUBLE_QUOTES)


def _base64_core(raw: bytes, offset: int) -> str:
    """Return the characters of base64 that say this and nothing else, if so many bytes stand before it (modulo 3)."""
    encoded = base64.b64encode(bytes(offset) + raw).decode()
    begin = -(-offset * 8 // 6)  # The first character that holds no bit of what stands before.
    end = (offset + len(raw)) * 8 // 6  # One past the last that holds no bit of what follows.
    return encoded[begin:end]


def _lower_case_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)


# --- Logs ---------------------------------------------------------------------------------------------------------------

# The installation's own, which stay however many others are seen.
_own: set[str] = set()
# A log line may come from anywhere, long after the secret was used: so it is every secret that this process has seen.
_seen: OrderedDict[str, None] = OrderedDict()
_seen_lock = Lock()


def never_log(*secrets: str) -> None:
    """Keep secrets away from the logs of this process. Costs next to nothing until a line is written."""
    with _seen_lock:
        for secret in secrets:
            _seen[secret] = None
            _seen.move_to_end(secret)
        while len(_seen) > MOST_IN_LOGS:
            _seen.popitem(last=False)


def never_log_own(*secrets: str) -> None:
    """Keep the installation's own secrets away from the logs of this process."""
    with _seen_lock:
        _own.update(secrets)


def fit_for_logs(text: str) -> str:
    """Return a text without any secret that this process has seen."""
    with _seen_lock:
        secrets = [*_own, *_seen]
    for secret in secrets:
        text = _matcher(frozenset((secret,))).mask_text(text)
    return text
