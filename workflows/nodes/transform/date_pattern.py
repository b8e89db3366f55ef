"""How dates and times are written: ``dd.MM.yyyy HH:mm``. The letters are those of Unicode's TR 35, as Luxon and Java have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def _offset(moment: datetime, separator: str) -> str:
    seconds = int((moment.utcoffset() or timedelta(0)).total_seconds())
    return f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02}{separator}{abs(seconds) % 3600 // 60:02}"


# What each letter group writes.
_WRITTEN: Mapping[str, Callable[[datetime], str]] = {
    "yyyy": lambda at: f"{at.year:04}",
    "yy": lambda at: f"{at.year % 100:02}",
    "MMMM": lambda at: _MONTHS[at.month - 1],
    "MMM": lambda at: _MONTHS[at.month - 1][:3],
    "MM": lambda at: f"{at.month:02}",
    "M": lambda at: str(at.month),
    "dd": lambda at: f"{at.day:02}",
    "d": lambda at: str(at.day),
    "EEEE": lambda at: _DAYS[at.weekday()],
    "EEE": lambda at: _DAYS[at.weekday()][:3],
    "E": lambda at: str(at.isoweekday()),
    "HH": lambda at: f"{at.hour:02}",
    "H": lambda at: str(at.hour),
    "hh": lambda at: f"{at.hour % 12 or 12:02}",
    "h": lambda at: str(at.hour % 12 or 12),
    "a": lambda at: "AM" if at.hour < 12 else "PM",
    "mm": lambda at: f"{at.minute:02}",
    "m": lambda at: str(at.minute),
    "ss": lambda at: f"{at.second:02}",
    "s": lambda at: str(at.second),
    "SSS": lambda at: f"{at.microsecond // 1000:03}",
    "SSSSSS": lambda at: f"{at.microsecond:06}",
    "ZZ": lambda at: _offset(at, ":"),
    "ZZZ": lambda at: _offset(at, ""),
    "z": lambda at: getattr(at.tzinfo, "key", None) or _offset(at, ":"),
    "kkkk": lambda at: f"{at.isocalendar().year:04}",
    "WW": lambda at: f"{at.isocalendar().week:02}",
    "ooo": lambda at: f"{at.timetuple().tm_yday:03}",
    "q": lambda at: str((at.month + 2) // 3),
}

# What each letter group reads. Those that are only written are not here.
_READ = {
    "yyyy": r"\d{4}",
    "yy": r"\d{2}",
    "MMMM": "|".join(_MONTHS),
    "MMM": "|".join(name[:3] for name in _MONTHS),
    "MM": r"\d{2}",
    "M": r"\d{1,2}",
    "dd": r"\d{2}",
    "d": r"\d{1,2}",
    "EEEE": "|".join(_DAYS),
    "EEE": "|".join(name[:3] for name in _DAYS),
    "HH": r"\d{2}",
    "H": r"\d{1,2}",
    "hh": r"\d{2}",
    "h": r"\d{1,2}",
    "a": "AM|PM",
    "mm": r"\d{2}",
    "m": r"\d{1,2}",
    "ss": r"\d{2}",
    "s": r"\d{1,2}",
    "SSS": r"\d{3}",
    "SSSSSS": r"\d{6}",
    "ZZ": r"Z|[+-]\d\d:\d\d",
    "ZZZ": r"[+-]\d{4}",
}
_KINDS = {
    "year": "yyyy yy",
    "month": "MMMM MMM MM M",
    "day": "dd d",
    "weekday": "EEEE EEE",
    "hour": "HH H",
    "half": "hh h",
}
_KINDS |= {"meridiem": "a", "minute": "mm m", "second": "ss s", "fraction": "SSS SSSSSS", "offset": "ZZ ZZZ"}
_KIND_OF = {token: kind for kind, tokens in _KINDS.items() for token in tokens.split()}

_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z']+)|(?P<wrong>')")


@dataclass(frozen=True)
class _Part:
    """A letter group, or text."""

    token: str = ""
    literal: str = ""


@lru_cache(maxsize=256)
def _parts(pattern: str) -> tuple[_Part, ...]:
    parts = []
    for match in _TOKEN.finditer(pattern):
        letters = match["letters"]
        if match["wrong"]:
            raise ValueError("a `'` is never closed")
        if letters is None:
            quoted = match["quoted"]
            parts.append(_Part(literal=match["other"] or ("'" if quoted == "" else (quoted or "").replace("''", "'"))))
        elif letters in _WRITTEN:
            parts.append(_Part(token=letters))
        else:
            raise ValueError(f"`{letters}` means nothing; letters that are meant as such stand in `'`")
    return tuple(parts)


def write(moment: datetime, pattern: str) -> str:
    """Return a moment in a pattern that :data:`WritePattern` has let pass."""
    return "".join(_WRITTEN[part.token](moment) if part.token else part.literal for part in _parts(pattern))


def read(text: str, pattern: str) -> datetime:
    """Return the moment that a text in a pattern names; without an offset in it, naive.

    :raises NodeError: ``invalid_moment``.
    """
    match = _reader(pattern).fullmatch(text)
    if match is None:
        raise NodeError("invalid_moment", f"{text[:60]!r} is not written as `{pattern}`.")
    found = {kind: match[kind] for kind in match.groupdict()}
    try:
        moment = datetime(
            _year(found["year"]),
            _month(found["month"]),
            int(found["day"]),
            _hour(found),
            int(found.get("minute") or 0),
            int(found.get("second") or 0),
            int((found.get("fraction") or "0").ljust(6, "0")),
            tzinfo=_zone(found["offset"]) if "offset" in found else None,
        )
    except ValueError as error:
        raise NodeError("invalid_moment", f"{text[:60]!r} names no day and time: {error}.") from error
    weekday = found.get("weekday")
    if weekday and not _DAYS[moment.weekday()].lower().startswith(weekday.lower()[:3]):
        raise NodeError("invalid_moment", f"{text[:60]!r}: that day is a {_DAYS[moment.weekday()]}.")
    return moment


@lru_cache(maxsize=256)
def _reader(pattern: str) -> re.Pattern[str]:
    pieces, seen = [], set()
    for part in _parts(pattern):
        if not part.token:
            pieces.append(re.escape(part.literal))
            continue
        kind = _KIND_OF.get(part.token)
        if kind is None or kind in seen:
            raise ValueError(f"`{part.token}` is there twice, or can only be written")
        seen.add(kind)
        pieces.append(f"(?P<{kind}>{_READ[part.token]})")
    if missing := [kind for kind in ("year", "month", "day") if kind not in seen]:
        raise ValueError(f"there is no {missing[0]} in it")
    if ("half" in seen) != ("meridiem" in seen) or {"half", "hour"} <= seen:
        raise ValueError("`h` goes with `a`, and not with `H`")
    return re.compile("".join(pieces), re.ASCII | re.IGNORECASE)


def _year(written: str) -> int:
    # Two digits as POSIX has them: 69 to 99 are of the last century.
    return int(written) if len(written) == 4 else int(written) + (1900 if int(written) >= 69 else 2000)


def _month(written: str) -> int:
    if written.isdigit():
        return int(written)
    return next(number for number, name in enumerate(_MONTHS, 1) if name.lower().startswith(written.lower()[:3]))


def _hour(found: Mapping[str, str]) -> int:
    if "half" not in found:
        return int(found.get("hour") or 0)
    half = int(found["half"])
    if not 1 <= half <= 12:
        raise ValueError("hours with AM and PM are 1 to 12")
    return half % 12 + (12 if found["meridiem"].upper() == "PM" else 0)


def _zone(written: str) -> timezone:
    if written.upper() == "Z":
        return UTC
    hours, minutes = int(written[1:3]), int(written[-2:])
    length = timedelta(hours=hours, minutes=minutes)
    return timezone(-length if written[0] == "-" else length)


def _checked(pattern: str, check: Callable[[str], object]) -> str:
    try:
        check(pattern)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_pattern",
            "{pattern} is no pattern of dates: {reason}.",
            {
                "pattern": repr(pattern[:60]),
                "reason": str(error),
                "hint": "Such as `dd.MM.yyyy HH:mm`, `yyyy-MM-dd'T'HH:mm:ssZZ`.",
            },
        ) from error
    return pattern


WritePattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(lambda text: _checked(text, _parts))]
ReadPattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(lambda text: _checked(text, _reader))]
