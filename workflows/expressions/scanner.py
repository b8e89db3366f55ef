"""Finds where a JavaScript expression in a template ends, without understanding it."""

from __future__ import annotations

import re

# A comment that is never closed goes up to the end: looked for in vain at each of many, its end would cost quadratic time.
_SPACE_OR_COMMENT = re.compile(r"\s+|//[^\n\r\u2028\u2029]*+|/\*[\s\S]*?(?:\*/|\Z)")
_STRING = re.compile(r""""(?:[^"\\\n\r]|\\[\s\S])*+"|'(?:[^'\\\n\r]|\\[\s\S])*+'""")
_TEMPLATE_CHUNK = re.compile(r"(?:[^`\\$]|\\[\s\S]|\$(?!\{))*+(?:`|\$\{)")
_REGEX = re.compile(r"/(?![*/])(?:[^/\\\[\n\r]|\\[^\n\r]|\[(?:[^\]\\\n\r]|\\[^\n\r])*+\])++/\w*+")
_WORD = re.compile(r"[\w$]+")
_SIGN = re.compile(r"\+\+|--|[\s\S]")

# After these words a slash begins a regular expression, as it does after most signs. After a value, it divides.
_BEFORE_VALUE = re.compile(r"await|case|delete|do|else|in|instanceof|new|of|return|throw|typeof|void|yield")


def end_of_expression(text: str, start: int) -> int | None:
    """Return where the ``}}`` stands that ends the expression that begins at ``start``, or ``None`` if nothing ends it.

    Braces of objects and functions, strings, template literals, regular expressions and comments are seen for what they
    are, so that a ``}}`` within them is no end. Only after ``)`` is a slash always taken for a division.
    """
    scanner = _Scanner(text, start)
    while not scanner.is_at_end():
        if not scanner.step():
            return None
    return scanner.position if scanner.position < len(text) else None


class _Scanner:
    """Goes through the tokens of an expression."""

    def __init__(self, text: str, start: int) -> None:
        self.position = start
        self._text = text
        self._open: list[str] = []  # "{" for each open brace, "`" for each open substitution of a template literal.
        self._after_value = False

    def is_at_end(self) -> bool:
        return self.position >= len(self._text) or (not self._open and self._text.startswith("}}", self.position))

    def step(self) -> bool:
        """Go past one token, and tell whether it has an end."""
        if self._skip(_SPACE_OR_COMMENT):
            return True
        sign = self._text[self.position]
        if sign in "\"'":
            return self._skip(_STRING, is_value=True)
        if sign == "`":
            return self._template_literal()
        if sign == "}" and self._open and self._open.pop() == "`":
            return self._template_literal()
        if sign == "/" and not self._after_value:
            return self._skip(_REGEX, is_value=True)
        if word := _WORD.match(self._text, self.position):
            is_member = self._text[self.position - 1] == "."
            return self._skip(_WORD, is_value=is_member or not _BEFORE_VALUE.fullmatch(word[0]))
        if sign == "{":
            self._open.append(sign)
        is_step = self._text.startswith(("++", "--"), self.position)  # It may stand before a value or after one.
        return self._skip(_SIGN, is_value=self._after_value if is_step else sign in ")]}")

    def _template_literal(self) -> bool:
        """Go past a quasi: from a backquote, or the brace that closes a substitution, to the next of either kind."""
        self.position += 1
        chunk = _TEMPLATE_CHUNK.match(self._text, self.position)
        if chunk is None:
            return False
        is_closed = chunk[0].endswith("`")
        if not is_closed:
            self._open.append("`")
        self._after_value = is_closed
        self.position = chunk.end()
        return True

    def _skip(self, token: re.Pattern[str], *, is_value: bool | None = None) -> bool:
        match = token.match(self._text, self.position)
        if match is None:
            return False
        self.position = match.end()
        if is_value is not None:
            self._after_value = is_value
        return True
