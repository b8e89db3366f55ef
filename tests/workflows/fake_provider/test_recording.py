"""Real exchanges as fixtures: recorded through the door, without keys, and replayed."""

from __future__ import annotations

import base64
import http.client
import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.providers import FakeProvider, calls, fails, says
from tests.workflows.fake_provider.asking import CHAT, MESSAGES, anthropic_client, ask, openai_client, user
from workflows.fake_provider.fixtures import BrokenFixtures, Fixtures, read_fixtures
from workflows.fake_provider.recording import Recorder
from workflows.fake_provider.replaying import Replayer
from workflows.http import Door

ASKED = {"model": "any", "max_tokens": 100, "messages": [user("Hello")]}
KEY = "sk-openai-key-for-tests"


@pytest.fixture
def door():
    door = Door(allowed_ranges=["127.0.0.0/8"])
    yield door
    door.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "recorded.json"


@pytest.fixture
def real():
    """A provider that stands for a real one."""
    with FakeProvider() as provider:
        yield provider


def recording(door: Door, real: FakeProvider, file: Path) -> FakeProvider:
    return FakeProvider(source=Recorder(door, url=real.openai_url, into=file))


def replaying(file: Path) -> FakeProvider:
    return FakeProvider(source=Replayer(read_fixtures(file)))


class TestRecording:
    def test_asks_the_real_one_with_the_clients_key(self, door, real, file):
        with recording(door, real, file) as provider:
            openai = openai_client(provider).chat.completions.create(**ASKED).choices[0].message.content
            anthropic = anthropic_client(provider).messages.create(**ASKED).content[0].text
            openai_client(provider).models.list()

        assert (openai, anthropic) == ("Hello", "Hello")
        assert [(request.path, request.status) for request in real.requests] == [
            *((CHAT, 200), (MESSAGES, 200), ("/v1/models", 200))
        ]

    def test_writes_no_key_in_any_spelling(self, door, real, file):
        real.play(
            {"default": says(f"It is {KEY}, or {base64.b64encode(KEY.encode()).decode()}, or {KEY.encode().hex()}.")}
        )
        with recording(door, real, file) as provider:
            answer = ask(provider, CHAT, {**ASKED, "messages": [user(f"Is {KEY} my key?")]})

        text = file.read_text()
        assert KEY in answer.text, "the client gets the answer as it is"
        assert KEY not in text
        assert base64.b64encode(KEY.encode()).decode()[4:-4] not in text
        assert KEY.encode().hex() not in text
        assert "authorization" not in text.lower()

    def test_writes_no_key_that_a_stream_tears_apart(self, door, real, file):
        answer = {**says(f"It is {KEY}."), **calls("tell", key=KEY), "thinking": f"{KEY}?", "chunk_chars": 5}
        real.play({"default": answer})
        for path, name in ((CHAT, "openai.json"), (MESSAGES, "anthropic.json")):
            into = file.with_name(name)
            headers = {"authorization": f"Bearer {KEY}", "anthropic-version": "2023-06-01"}
            with recording(door, real, into) as provider:
                ask(provider, path, {**ASKED, "stream": True}, headers=headers)
            with replaying(into) as provider:
                told = ask(provider, path, {**ASKED, "stream": True}, headers=headers).text

            events = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
            assert KEY not in _joined(events)
            assert _joined(events).count("••••••") == 3

    def test_writes_no_key_of_somebody_else(self, door, real, file):
        real.play({"default": fails(401, message="Incorrect API key provided: sk-proj-********abcd.")})
        with recording(door, real, file) as provider:
            ask(provider, CHAT, ASKED)

        assert "abcd" not in file.read_text()

    def test_passes_a_stream_on_as_it_comes(self, door, real, file):
        real.play({"default": says("Zürich, 東京", chunk_chars=1, chunk_delay_seconds=0.1)})
        with recording(door, real, file) as provider:
            begun = time.monotonic()
            stream = anthropic_client(provider).messages.create(**ASKED, stream=True)
            moments = [time.monotonic() - begun for _ in stream]

        assert moments[-1] - moments[0] > 0.5
        assert "東" in file.read_text()

    def test_does_not_write_what_broke_off(self, door, real, file):
        real.play({"default": says("One two three.", chunk_chars=2, cut_after_chunks=4)})
        with recording(door, real, file) as provider, pytest.raises(http.client.IncompleteRead) as caught:
            ask(provider, CHAT, {**ASKED, "stream": True})

        assert b"data: " in caught.value.partial
        assert read_fixtures(file).exchanges == ()

    def test_keeps_a_file_that_is_there(self, door, file):
        file.write_text("mine")

        with pytest.raises(BrokenFixtures, match="exists"):
            Recorder(door, url="https://models.example.com/v1", into=file)
        assert file.read_text() == "mine"

    def test_says_that_the_real_one_cannot_be_asked(self, file):
        with closing(Door()) as strict:
            recorder = Recorder(strict, url="http://127.0.0.1:9/v1", into=file)
            with FakeProvider(source=recorder) as provider:
                answer = ask(provider, CHAT, ASKED)

        assert answer.status == 502
        assert "could not be asked" in answer.json["error"]["message"]
        assert read_fixtures(file).exchanges == ()


class TestReplaying:
    def test_answers_as_it_was_answered(self, door, real, file):
        real.play({"answers": [{**calls("add", a=1), "usage": {"input_tokens": 7}}]})
        with recording(door, real, file) as provider:
            recorded = ask(provider, CHAT, ASKED)
        with replaying(file) as provider:
            replayed = ask(provider, CHAT, ASKED, headers={"authorization": "Bearer another"})

        assert replayed.text == recorded.text

    @pytest.mark.parametrize("path", [CHAT, MESSAGES])
    def test_answers_streams_as_streams(self, door, real, file, path):
        with recording(door, real, file) as provider:
            recorded = ask(provider, path, {**ASKED, "stream": True})
        with replaying(file) as provider:
            replayed = ask(provider, path, {**ASKED, "stream": True})

        assert replayed.text == recorded.text
        assert replayed.headers["content-type"].startswith("text/event-stream")
        assert len(read_fixtures(file).exchanges[0].answer.events) > 3

    def test_answers_errors_in_their_order_and_goes_on_with_the_last(self, door, real, file):
        real.play({"answers": [fails(429, retry_after=1), says("Now.")]})
        with recording(door, real, file) as provider:
            for _ in range(2):
                ask(provider, CHAT, ASKED)
        with replaying(file) as provider:
            answers = [ask(provider, CHAT, ASKED) for _ in range(3)]

        assert [answer.status for answer in answers] == [429, 200, 200]
        assert answers[0].headers["retry-after"] == "1"

    def test_does_not_mind_what_differs_every_time(self, door, real, file):
        with recording(door, real, file) as provider:
            ask(provider, CHAT, {**ASKED, "user": "a", "metadata": {"run": "1"}})
        with replaying(file) as provider:
            answer = ask(provider, CHAT, {"metadata": {"run": "2"}, **ASKED})

        assert answer.status == 200

    def test_ignores_what_the_file_says(self, door, real, file):
        with recording(door, real, file) as provider:
            ask(provider, CHAT, {**ASKED, "messages": [user("Monday")]})
        recorded = json.loads(file.read_text())
        file.write_text(json.dumps({**recorded, "ignore": ["/messages/0/content"]}))
        with replaying(file) as provider:
            answer = ask(provider, CHAT, {**ASKED, "messages": [user("Tuesday")]})

        assert answer.status == 200

    def test_says_what_differs_from_the_closest(self, door, real, file):
        with recording(door, real, file) as provider:
            for question in ("Berlin", "Rome"):
                ask(provider, CHAT, {**ASKED, "temperature": 0, "messages": [user(question)]})
        with replaying(file) as provider:
            answer = ask(provider, CHAT, {**ASKED, "temperature": 1, "messages": [user("Rome")]})

        assert answer.status == 404
        assert answer.json["error"]["code"] == "not_recorded"
        assert answer.json["error"]["message"] == (
            "This request was not recorded. The closest of 2 is number 2; it differs at /temperature: recorded is 0, asked was 1."
        )

    def test_says_that_nothing_of_the_kind_was_recorded(self, door, real, file):
        with recording(door, real, file) as provider:
            ask(provider, CHAT, ASKED)
        with replaying(file) as provider:
            answer = ask(provider, MESSAGES, ASKED)

        assert answer.status == 404
        assert answer.json["error"]["message"] == ("No POST /v1/messages was recorded; only POST /v1/chat/completions.")

    def test_of_an_empty_file_says_so(self):
        with FakeProvider(source=Replayer(Fixtures())) as provider:
            answer = ask(provider, CHAT, ASKED)

        assert "nothing at all" in answer.json["error"]["message"]


class TestFiles:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (None, "cannot be read"),
            ("{", "is not JSON"),
            ("[]", "holds no recorded exchanges"),
            ('{"format": 2}', "format"),
            ('{"exchanges": [{"path": "/"}]}', r"exchanges\.0\.method"),
        ],
    )
    def test_that_are_broken_say_how(self, file, text, said):
        if text is not None:
            file.write_text(text)

        with pytest.raises(BrokenFixtures, match=said):
            read_fixtures(file)


def _joined(value: object) -> str:
    """Return all texts in JSON data, joined as a client joins them."""
    texts: dict[str, str] = {}

    def walk(item: object, place: str) -> None:
        match item:
            case str():
                texts[place] = texts.get(place, "") + item
            case dict():
                for name, part in item.items():
                    walk(part, f"{place}/{name}")
            case list():
                for part in item:
                    walk(part, place)

    walk(value, "")
    return "\n".join(texts.values())
