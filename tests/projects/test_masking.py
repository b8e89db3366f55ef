"""S-SEC-4: a secret cannot be read in any of the spellings in which it comes back."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import time
from unittest import mock
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects import masking
from projects.log_format import MaskingFormatter, mask_lines_of, never_log_settings
from projects.masking import MASK, Masker

SECRET = "p4ss/wörd+=\"&<'\\n-of alice"


def json_with_escaped(characters: str, secret: str) -> str:
    """Return a secret in JSON as those write it that escape these characters as well."""
    escaped = json.dumps(secret)[1:-1]
    for character in characters:
        escaped = escaped.replace('\\"' if character == '"' else character, f"\\u{ord(character):04x}")
    return escaped


def in_upper_case(escaped: str) -> str:
    return re.sub(r"\\u....", lambda found: f"\\u{found[0][2:].upper()}", escaped)


def base64_at(offset: int, secret: str) -> str:
    """Return base64 in which a secret begins after so many bytes."""
    return base64.b64encode(b"u" * offset + secret.encode() + b":tail").decode()


SPELLINGS = {
    "as it is": str,
    "in a URL's query": lambda secret: quote(secret, safe=""),
    "in a URL's path": quote,
    "in a form": quote_plus,
    "in a URL, in lower case": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    "as encodeURIComponent writes it": lambda secret: quote(secret, safe="!*'()"),
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON with characters as they are": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in JSON within JSON": lambda secret: json.dumps(json.dumps(secret)[1:-1])[1:-1],
    "in JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "in JSON that may stand in HTML": lambda secret: json_with_escaped("<>&", secret),
    "in JSON of Gson's": lambda secret: json_with_escaped("<>&='", secret),
    "in JSON of .NET's": lambda secret: in_upper_case(json_with_escaped("<>&'\"+`", secret)),
    "in HTML": html.escape,
    "in HTML with numbers": lambda secret: html.escape(secret, quote=False).replace("'", "&#39;").replace('"', "&#34;"),
    "in HTML of PHP's": lambda secret: html.escape(secret).replace("&#x27;", "&#039;"),
    "in XML": lambda secret: html.escape(secret).replace("&#x27;", "&apos;"),
    "in HTML within JSON": lambda secret: json.dumps(html.escape(secret))[1:-1],
    "in a URL within a URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in hex": lambda secret: secret.encode().hex(),
    "in upper case hex": lambda secret: secret.encode().hex().upper(),
    "as UTF-8 read as Latin-1": lambda secret: secret.encode().decode("latin-1"),
    "in a Python traceback": lambda secret: repr(secret)[1:-1],
}


LINE_ENDS = {
    "LF": "\n",
    "CR and LF": "\r\n",
    "with an indent": "\n    ",
    "in JSON": "\\n",
    "in JSON within JSON": "\\\\r\\\\n",
    "in a URL": "%0D%0A",
}


class TestMasker:
    @pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
    def test_masks_a_secret(self, spelled):
        assert Masker([SECRET]).mask(f"<{spelled(SECRET)}>") == f"<{MASK}>"

    @pytest.mark.parametrize("offset", range(4))
    @pytest.mark.parametrize("to_url", [False, True])
    def test_masks_a_secret_in_base64_wherever_it_begins(self, offset, to_url):
        secret = "\u00ff\u00fe~~~??>>>secret"
        text = base64_at(offset, secret)
        text = text.replace("+", "-").replace("/", "_") if to_url else text

        masked = Masker([secret]).mask(text)

        assert MASK in masked
        assert len(masked.replace(MASK, "")) <= len(base64_at(offset, "")) + 4

    @pytest.mark.parametrize(
        ("character", "escaped"),
        [("+", "%2B"), ("+", "%2b"), ("+", "\\u002B"), ("+", "\\u002b"), ("/", "%2F"), ("/", "%2f"), ("/", "\\/")],
    )
    def test_masks_base64_that_is_escaped_for_urls_and_json(self, character, escaped):
        secret = "~~>~~>" if character == "+" else "~~?~~?"
        encoded = base64.b64encode(secret.encode()).decode()
        assert character in encoded

        assert Masker([secret]).mask_text(encoded.replace(character, escaped)) == MASK

    @pytest.mark.parametrize("width", [16, 60, 64, 76])
    @pytest.mark.parametrize("offset", range(3))
    @pytest.mark.parametrize("line_end", LINE_ENDS.values(), ids=LINE_ENDS)
    def test_masks_base64_and_hex_that_are_broken_over_lines(self, line_end, offset, width):
        before, secret = b"u" * (60 + offset), b"hunter2-hunter2-hunter2-hunter2"
        for text in (base64.b64encode(before + secret + b"t" * 70).decode(), (before + secret).hex()):
            lines = line_end.join(text[at : at + width] for at in range(0, len(text), width))

            for value in (lines, {"body": [f"A file:\n{lines}\nThat is all."]}):
                masked = json.dumps(Masker([secret.decode()]).mask(value), ensure_ascii=False)
                together = masked.replace(json.dumps(line_end)[1:-1], "")

                assert MASK in masked
                assert "aHVudGVyM" not in together
                assert secret.hex()[:20] not in together
                assert not [core for at in range(3) if (core := masking._base64_core(secret, at)[:16]) in together]

    def test_lines_without_a_secret_stay_as_they_are(self):
        lines = "\n".join(["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="] * 3)

        assert Masker(["hunter2-hunter2"]).mask({"a": lines}) == {"a": lines}

    def test_a_long_line_costs_little(self):
        """Looking for the end of the line from each of its characters would take minutes."""
        for text in ("A" * 1_000_000, "A" * 1_000_000 + "\\" * 100_000, ("A" * 76 + "\n") * 10_000):
            started = time.process_time()

            Masker(["hunter2-hunter2"]).mask(text)

            assert time.process_time() - started < 2

    def test_masks_basic_authentication(self):
        header = "Basic " + base64.b64encode(b"alice:hunter2-hunter2").decode()

        assert "aHVudGVyMi" not in Masker(["hunter2-hunter2"]).mask(header)
        assert MASK in Masker(["hunter2-hunter2"]).mask(header)

    def test_masks_keys_lists_and_objects(self):
        value = {"hunter2-key": [1, None, {"a": "x hunter2-key y"}]}

        assert Masker(["hunter2-key"]).mask(value) == {MASK: [1, None, {"a": f"x {MASK} y"}]}

    def test_masks_a_number_that_is_a_secret(self):
        assert Masker(["12345678"]).mask({"pin": 12345678, "other": 123456789}) == {"pin": MASK, "other": 123456789}

    @pytest.mark.parametrize(("secret", "number"), [("12345.75", 12345.75), ("-1234567", -1234567)])
    def test_masks_every_number_that_is_a_secret(self, secret, number):
        assert Masker([secret]).mask({"pin": number}) == {"pin": MASK}

    @pytest.mark.parametrize("pasted", [" p4ss-word", "p4ss-word\n", "\tp4ss-word \r\n"])
    def test_masks_a_secret_without_the_space_around_it(self, pasted):
        """Headers lose it, and many services."""
        assert Masker([pasted]).mask("no:p4ss-word.") == f"no:{MASK}."

    def test_masks_short_lines_whatever_ends_them(self):
        secret = "first line\nsecond line\n"

        assert Masker([secret]).mask("no: first line\r\nsecond line") == f"no: {MASK}"

    def test_masks_the_longer_of_two_first(self):
        assert Masker(["secret", "secret-and-more"]).mask("secret-and-more secret") == f"{MASK} {MASK}"

    def test_masks_the_password_of_a_connections_address_alone(self):
        masker = Masker(["postgres://alice:p%40ssword1@db.example.com/app"])

        assert masker.mask("authentication failed: p@ssword1") == f"authentication failed: {MASK}"
        assert masker.mask("db.example.com") == "db.example.com"

    def test_masks_the_password_of_a_connection_in_words(self):
        assert Masker(["host=db user=alice password=hunter2hunter2"]).mask("no: hunter2hunter2") == f"no: {MASK}"

    def test_masks_the_lines_of_a_key(self):
        key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nSECONDLINEOFTHEKEY99\n-----END KEY-----\n"

        assert Masker([key]).mask("x SECONDLINEOFTHEKEY99 -----BEGIN KEY-----") == f"x {MASK} -----BEGIN KEY-----"

    @pytest.mark.parametrize("run", ["Ab3dEf6hIj9lMn2pQr5t", "AbcDefGhiJklMnoPqrSt"])
    def test_masks_a_long_run_that_was_drawn_by_lot_whatever_stands_around_it(self, run):
        secret = f'<"{run}"/>'
        text = json.dumps(quote(json.dumps(html.escape(secret))))

        assert run not in Masker([secret]).mask(text)

    def test_masks_no_word_of_a_secret_by_itself(self):
        for word in ("internationalization", "Internationalization"):
            assert Masker([f"correct-{word}-9"]).mask(word) == word

    @pytest.mark.parametrize("spelled", [lambda text: quote(text, safe=""), lambda text: text.encode().hex()])
    def test_masks_a_body_of_json_that_is_told_on(self, spelled):
        secret = 'a"b/c-d'

        assert Masker([secret]).mask(spelled(json.dumps([secret]))) == spelled('["') + MASK + spelled('"]')

    @pytest.mark.parametrize(
        ("text", "masked"), [("pin 1234.", f"pin {MASK}."), ("order 12345", "order 12345"), ("a1234", "a1234")]
    )
    def test_masks_a_short_secret_only_as_a_word(self, text, masked):
        assert Masker(["1234"]).mask(text) == masked

    def test_returns_the_same_object_where_there_is_nothing_to_mask(self):
        value = {"a": ["b"]}

        assert Masker(["hunter2"]).mask(value) is value
        assert Masker().mask(value) is value

    def test_masks_what_is_added_while_others_mask(self):
        masker = Masker()
        threads = [threading.Thread(target=masker.add, args=(f"secret-number-{number}",)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert masker.mask([f"secret-number-{number}" for number in range(20)]) == [MASK] * 20

    def test_takes_texts_that_are_no_unicode(self):
        assert Masker(["hunter2"]).mask(["\ud800 hunter2", 2**70]) == [f"\ud800 {MASK}", 2**70]

    @given(
        secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30),
        before=st.binary(max_size=5),
        after=st.binary(max_size=5),
    )
    def test_leaves_no_six_bytes_of_a_secret_in_base64(self, secret, before, after):
        encoded = base64.b64encode(before + secret.encode() + after).decode()

        kept = Masker([secret]).mask(encoded)

        # At most the two characters at its ends, which it shares with what stands beside it.
        assert len(kept.replace(MASK, "")) <= -(-(len(before) + len(after)) * 8 // 6) + 4 + 3

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_masks_what_it_has_masked_no_further(self, value):
        masker = Masker(["secret", "0123456", "1234"])

        assert masker.mask(masker.mask(value)) == masker.mask(value)


MANY = [f"secret number {number:x} of very many" for number in range(100_000, 100_300)]


class TestManySecrets:
    """So many spellings are not looked for one by one."""

    @pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
    def test_are_masked_in_every_spelling(self, spelled):
        masked = Masker([SECRET, *MANY]).mask({"a": [f"x {spelled(SECRET)} y", spelled(MANY[7])]})

        assert masked == {"a": [f"x {MASK} y", MASK]}

    def test_are_masked_where_one_begins_within_the_beginning_of_another(self):
        assert Masker(["abcdefgh", "defghijk", *MANY]).mask("abcdefghijk") == f"{MASK}ijk"

    def test_are_all_masked_in_a_text_that_is_full_of_them(self):
        text = " ".join(MANY * 5)

        assert Masker(MANY).mask(text) == " ".join([MASK] * len(MANY) * 5)

    def test_are_masked_beside_half_a_character(self):
        assert Masker(MANY).mask(["\ud800", f"\ud800 {MANY[0]}"]) == ["\ud800", f"\ud800 {MASK}"]

    @given(st.lists(st.text("ab /\\é\n", min_size=6, max_size=9), min_size=1, max_size=5), st.text("ab /\\é\n%20"))
    def test_are_masked_as_few_are(self, secrets, text):
        with mock.patch.object(masking, "MANY_SPELLINGS", 0):
            as_many = masking._Matcher(secrets).mask([text, *secrets])

        assert as_many == masking._Matcher(secrets).mask([text, *secrets])

    def test_cost_as_little_as_few(self):
        text = "The quick brown fox jumps over the lazy dog. " * 50_000
        masker = Masker(f"another secret {number:x}" for number in range(100_000, 102_000))
        masker.mask(["a text to begin with"])
        started = time.process_time()

        masker.mask([text])

        assert time.process_time() - started < 3  # One by one it takes twelve seconds.

    def test_of_a_secret_in_very_many_lines_the_longest_are_masked(self):
        short = [f"line {number:04} is short" for number in range(500)]
        long = [f"line {number:04} is long and holds a key" for number in range(masking.MOST_LINES)]
        masker = Masker(["\n".join([*short, *long])])

        assert [line for line in long if masker.mask(line) != MASK] == []
        assert masker.mask(short[0]) == short[0]


OWN = ("key-of-sessions", "key-of-mail", "key-of-the-broker", "key-of-the-storage", "key-of-a-program")


class TestLogs:
    def record(self, message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
        info = (type(error), error, error.__traceback__) if error else None
        return logging.LogRecord("segue", logging.ERROR, "file.py", 1, message, args, info)

    def test_lines_hold_no_secret_that_the_process_has_seen(self):
        masking.never_log("seen-by-this-process")

        line = MaskingFormatter("{message}", style="{").format(self.record("Header: %s", "seen-by-this-process"))

        assert line == f"Header: {MASK}"

    def test_tracebacks_hold_none_either(self):
        masking.never_log("seen-by-this-process")

        line = MaskingFormatter().format(self.record("It failed.", error=ValueError("bad token seen-by-this-process")))

        assert f"ValueError: bad token {MASK}" in line

    def test_what_is_given_beside_the_message_stands_at_the_end(self):
        record = self.record("It failed.", error=ValueError("no"))
        vars(record).update(node_id="ask", count=3, reason="no\nroom", request=object())

        first, *rest = MaskingFormatter().format(record).splitlines()

        assert first == 'It failed. node_id=ask count=3 reason="no\\nroom"'
        assert rest[-1] == "ValueError: no"

    def test_nor_does_what_is_given_beside_the_message_hold_a_secret(self):
        masking.never_log("seen-by-this-process")
        record = self.record("It failed.")
        record.reason = "seen-by-this-process"

        assert MaskingFormatter().format(record) == f"It failed. reason={MASK}"

    def test_a_formatter_of_somebody_else_is_kept(self):
        masking.never_log("seen-by-this-process")
        logger = logging.Logger("theirs")
        logger.addHandler(logging.StreamHandler())
        logger.handlers[0].setFormatter(logging.Formatter("theirs: %(message)s"))

        mask_lines_of(logger)
        mask_lines_of(logger)

        assert logger.handlers[0].format(self.record("seen-by-this-process")) == f"theirs: {MASK}"

    @pytest.mark.parametrize("own", OWN)
    def test_the_installations_own_stay_hidden_however_many_others_are_seen(self, settings, monkeypatch, own):
        monkeypatch.setattr(masking, "_own", set())
        settings.SECRET_KEY, settings.EMAIL_HOST_PASSWORD = OWN[:2]
        settings.CELERY_BROKER_URL = f"redis://:{OWN[2]}@broker.example.com/0"
        settings.STORAGES = {"default": {"OPTIONS": {"secret_key": OWN[3], "bucket_name": "invoices"}}}
        settings.MCP_STDIO_SERVERS = {"files": {"command": ["files"], "env": {"API_TOKEN": OWN[4], "DEBUG": "1"}}}
        never_log_settings(settings)

        masking.never_log(*(f"secret-number-{number}" for number in range(2 * masking.MOST_IN_LOGS)))

        assert MaskingFormatter().format(self.record(f"{own} invoices 1")) == f"{MASK} invoices 1"

    def test_only_so_many_are_remembered(self):
        masking.never_log(*(f"one-of-very-many-{number}" for number in range(masking.MOST_IN_LOGS + 10)))

        assert len(masking._seen) == masking.MOST_IN_LOGS


class TestSettled:
    """A text that comes in pieces: what of it can be shown before the rest is there."""

    @staticmethod
    def shown(masker, pieces):
        waiting, shown = "", ""
        for piece in pieces:
            waiting += piece
            end = masker.settled(waiting)
            shown, waiting = shown + masker.mask_text(waiting[:end]), waiting[end:]
        return shown + masker.mask_text(waiting)

    @pytest.mark.parametrize("spelling", SPELLINGS)
    @pytest.mark.parametrize("size", [1, 2, 7])
    def test_a_secret_that_is_cut_anywhere_is_masked(self, spelling, size):
        text = f"It is {SPELLINGS[spelling](SECRET)}, is it not? {SPELLINGS[spelling](SECRET)[:9]}"
        masker = Masker([SECRET])
        pieces = [text[at : at + size] for at in range(0, len(text), size)]

        assert self.shown(masker, pieces) == masker.mask_text(text)
        assert MASK in masker.mask_text(text)

    def test_ordinary_text_does_not_wait(self):
        assert Masker([SECRET]).settled("Nothing of the kind.") == len("Nothing of the kind.")
        assert Masker().settled(SECRET) == len(SECRET)

    def test_what_may_be_the_beginning_of_a_secret_waits(self):
        assert Masker(["abcdefgh"]).settled("It is abcd") == len("It is ")

    def test_a_secret_that_begins_another_one_waits_for_the_rest(self):
        masker = Masker(["abcdefgh", "abcdefghijkl"])

        assert self.shown(masker, ["It is abcdefgh", "ijkl."]) == f"It is {MASK}."
        assert self.shown(masker, ["It is abcdefgh", ", really."]) == f"It is {MASK}, really."

    def test_a_secret_whose_end_may_begin_another_one_is_not_cut(self):
        masker = Masker(["secret-tail-of-it", "tail-of-it-and-more"])

        assert self.shown(masker, ["It is secret-tail-of-it", "."]) == f"It is {MASK}."

    def test_a_short_one_waits_for_what_says_whether_it_is_a_word(self):
        masker = Masker(["abc"])

        assert self.shown(masker, ["It is abc", "defg"]) == "It is abcdefg"
        assert self.shown(masker, ["It is abc", "."]) == f"It is {MASK}."

    @pytest.mark.parametrize("size", [1, 7, 50])
    def test_base64_over_several_lines_waits_for_the_last_of_them(self, size):
        masker = Masker(["hunter2-hunter2-hunter2-hunter2"])
        encoded = base64.b64encode(b"u" * 40 + b"hunter2-hunter2-hunter2-hunter2" + b"t" * 9).decode()
        text = f"It is:\n{encoded[:60]}\n{encoded[60:]}\nIs it not?"

        shown = self.shown(masker, [text[at : at + size] for at in range(0, len(text), size)])

        assert shown.count(MASK) == 1
        assert "aHVudGVyM" not in shown.replace("\n", "")
        assert shown.endswith("\nIs it not?")

    @given(st.lists(st.text("abc", min_size=6, max_size=9), max_size=3), st.lists(st.text("abc ", max_size=5)))
    def test_whatever_the_pieces_no_secret_can_be_read(self, secrets, pieces):
        shown = self.shown(Masker(secrets), pieces)

        assert not [secret for secret in secrets if secret in shown]
