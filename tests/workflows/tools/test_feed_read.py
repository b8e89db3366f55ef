from __future__ import annotations

import pytest

from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.calling import World
from workflows.nodes.base import Effect, NodeError
from workflows.tools import base
from workflows.tools.base import Freshness
from workflows.tools.feed_read import FeedArguments, FeedRead

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>News</title><link>https://example.com/</link>
<item><guid isPermaLink="false">a-1</guid><title>First</title><link>https://example.com/1</link>
<pubDate>Wed, 04 Mar 2026 12:00:00 GMT</pubDate><description>All &lt;b&gt;good&lt;/b&gt;.</description>
<author>ann@example.com (Ann)</author></item>
<item><title>Second</title><link>https://example.com/2</link></item>
</channel></rss>"""

ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Releases</title><link href="https://example.com/"/>
<entry><id>tag:example.com,2026:1</id><title>v1</title><link href="/v1"/><updated>2026-03-04T13:00:00+01:00</updated>
<author><name>Ann</name></author><summary>Fine.</summary></entry></feed>"""

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + ']><rss version="2.0"><channel><title>&m;</title><item><guid>1</guid><title>&m;</title></item></channel></rss>'
)


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


def served(body, status=200, **headers):
    data = body if isinstance(body, bytes) else body.encode()
    return Answering(response(status, data, **{"content_type": "application/xml", **headers}))


def read(body, *, path="/feed", status=200, headers=None, **arguments):
    with served(body, status, **(headers or {})) as server:
        return FeedRead().call(FeedArguments(url=server.url(path), **arguments), World(hops=2))


def refused(body, **more):
    with pytest.raises(NodeError) as error:
        read(body, **more)
    return error.value


class TestCatalogue:
    def test_the_tool_is_found_by_its_name_and_reads(self):
        assert isinstance(base.catalogue()["feed.read"], FeedRead)
        assert FeedRead().effect({}) is Effect.READ

    def test_its_example_is_valid(self):
        FeedArguments.model_validate(FeedRead.example)


class TestReading:
    def test_rss(self):
        found = read(RSS, headers={"etag": '"v1"', "last_modified": "Wed, 04 Mar 2026 12:00:00 GMT"})

        assert found == {
            "title": "News",
            "link": "https://example.com/",
            "entries": [
                {
                    "id": "a-1",
                    "title": "First",
                    "link": "https://example.com/1",
                    "published": "2026-03-04T12:00:00+00:00",
                    "updated": None,
                    "summary": "All <b>good</b>.",
                    "author": "ann@example.com (Ann)",
                },
                {
                    "id": "https://example.com/2",
                    "title": "Second",
                    "link": "https://example.com/2",
                    "published": None,
                    "updated": None,
                    "summary": "",
                    "author": "",
                },
            ],
            "etag": '"v1"',
            "last_modified": "Wed, 04 Mar 2026 12:00:00 GMT",
            "is_unchanged": False,
        }

    def test_atom(self):
        with served(ATOM) as server:
            found = FeedRead().call(FeedArguments(url=server.url("/feed")), World(hops=2))

            (entry,) = found["entries"]
            assert entry == {
                "id": "tag:example.com,2026:1",
                "title": "v1",
                "link": server.url("/v1"),
                "published": None,
                "updated": "2026-03-04T12:00:00+00:00",
                "summary": "Fine.",
                "author": "Ann",
            }

    def test_entries_that_have_neither_id_nor_link_can_be_told_apart(self):
        """A poll goes by the id: of two with the same one, only the first would start anything."""
        items = "<item><title>Note</title><description>a</description></item><item><title>Note</title></item><item/>"
        feed = f'<rss version="2.0"><channel>{items}</channel></rss>'

        first, again = ([entry["id"] for entry in read(feed)["entries"]] for _ in range(2))

        assert len(set(first)) == 3
        assert first == again
        assert all(each.startswith("sha256:") for each in first)

    def test_at_most_so_many_entries(self):
        assert [entry["id"] for entry in read(RSS, max_entries=1)["entries"]] == ["a-1"]

    def test_an_empty_feed(self):
        assert read('<rss version="2.0"><channel><title>None</title></channel></rss>')["entries"] == []

    def test_other_character_sets(self):
        body = '<?xml version="1.0" encoding="windows-1252"?><rss version="2.0"><channel><title>Größe</title></channel></rss>'

        assert read(body.encode("windows-1252"))["title"] == "Größe"

    @pytest.mark.parametrize("charset", ["windows-1252", "utf-8", "utf-8-sig"])
    def test_empty_lines_before_the_declaration_do_no_harm(self, charset):
        """Some sites put them there unawares."""
        declared = charset.removesuffix("-sig")
        body = f'\r\n\n<?xml version="1.0" encoding="{declared}"?><rss version="2.0"><channel><title>Größe</title></channel></rss>'

        assert read(body.encode(charset))["title"] == "Größe"

    def test_html_is_the_feeds_own(self):
        item = "<item><guid>1</guid><description>&lt;img onerror='x()'&gt;</description></item>"

        (entry,) = read(f'<rss version="2.0"><channel>{item}</channel></rss>')["entries"]

        assert entry["summary"] == "<img onerror='x()'>"

    def test_a_date_that_there_is_not_is_null(self):
        item = "<item><guid>1</guid><pubDate>The day after tomorrow</pubDate></item>"

        assert read(f'<rss version="2.0"><channel>{item}</channel></rss>')["entries"][0]["published"] is None


class TestAskingOnlyForWhatIsNew:
    def test_304_is_nothing_new(self):
        found = read("", status=304, headers={"etag": '"v1"'}, etag='"v1"')

        assert (found["entries"], found["is_unchanged"], found["etag"]) == ([], True, '"v1"')

    def test_sends_the_validators(self):
        with served(RSS) as server:
            FeedRead().call(FeedArguments(url=server.url(), etag='"v1"', last_modified="yesterday"), World(hops=2))

            (asked,) = server.received
        assert asked.headers["if-none-match"] == '"v1"'
        assert asked.headers["if-modified-since"] == "yesterday"
        assert asked.headers["x-segue-hops"] == "3"

    def test_a_poll_puts_them_into_the_arguments(self):
        asked = FeedRead().conditional({"url": "http://a"}, Freshness('"v1"', "yesterday"))

        assert asked == {"url": "http://a", "etag": '"v1"', "last_modified": "yesterday"}


class TestWhatIsNoFeed:
    @pytest.mark.parametrize(
        "body",
        [
            "<html><body>No feed</body></html>",
            "no XML at all",
            "",
            '{"items": []}',
            "<rss version='2.0'><channel><title>Cut",
            RSS.replace("</item>", "</itm>", 1),
            b"\x00\x01\x02\xff\xfe",
            "<rss" * 500_000,
        ],
    )
    def test_is_said_so(self, body):
        error = refused(body)

        assert (error.code, error.retryable) == ("not_a_feed", False)

    def test_a_broken_one_says_where(self):
        broken = RSS.replace("</item>", "</itm>", 1)

        assert "line 5" in refused(broken).message
        assert "line 7" in refused(f"\n\n{broken}").message

    def test_the_line_is_the_feeds_own_also_without_a_declaration(self):
        assert "line 1." in refused("this is no feed").message

    @pytest.mark.parametrize(("status", "retryable"), [(404, False), (503, True)])
    def test_a_status_that_is_no_success_is_an_error(self, status, retryable):
        error = refused("", status=status)

        assert (error.code, error.retryable, error.details) == ("http_status", retryable, {"status": status})


class TestHarm:
    def test_entities_are_refused_so_that_they_cannot_multiply(self):
        """Billion laughs: 10^12 times "ha" in a few hundred bytes; and quadratic blow-up: one long entity, used often."""
        long = f'<!DOCTYPE rss [<!ENTITY a "{"x" * 100_000}">]><rss version="2.0"><channel><title>{"&a;" * 5_000}</title></channel></rss>'

        for body in (LAUGHS, long):
            error = refused(body)
            assert (error.code, "declares an entity" in error.message) == ("not_a_feed", True)

    @pytest.mark.parametrize("scheme", ["file", "http"])
    def test_entities_from_elsewhere_are_not_read(self, scheme, tmp_path):
        (tmp_path / "secret").write_text("canary")
        with served("canary") as elsewhere:
            target = (tmp_path / "secret").as_uri() if scheme == "file" else elsewhere.url("/x")
            body = (
                f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a SYSTEM "{target}">]>'
                '<rss version="2.0"><channel><title>&a;</title></channel></rss>'
            )

            assert "canary" not in refused(body).message

            assert elsewhere.received == []

    def test_a_document_type_from_elsewhere_is_not_read(self):
        with served("<!ENTITY a 'canary'>") as elsewhere:
            body = f'<!DOCTYPE rss SYSTEM "{elsewhere.url("/x.dtd")}">{RSS.partition("?>")[2].strip()}'

            assert read(body)["title"] == "News"

            assert elsewhere.received == []

    @pytest.mark.parametrize(
        "body",
        [
            "<rss><channel>" + "<a>" * 101 + "</a>" * 101 + "</channel></rss>",
            "<rss><channel>" + "<a/>" * 20_000 + "</channel></rss>",
            "<rss " + " ".join(f"a{n}='1'" for n in range(51)) + "/>",
            "<rss>" + "".join(f"<a xmlns:n{n}='http://n'/>" for n in range(101)) + "</rss>",
        ],
        ids=["deep", "many", "attributes", "namespaces"],
    )
    def test_more_or_deeper_than_feeds_have_is_refused(self, body):
        assert refused(body).code == "too_large"

    def test_a_feed_whose_text_is_an_address_is_not_fetched(self):
        """The library would take text for an address; it only ever gets bytes."""
        with served(RSS) as elsewhere:
            assert refused(elsewhere.url("/feed")).code == "not_a_feed"

            assert elsewhere.received == []

    def test_one_that_is_too_large_is_refused(self, monkeypatch):
        monkeypatch.setattr("workflows.tools.feed_read.MAX_BYTES", 1000)

        assert refused(RSS + " " * 1000).code == "too_large"

    def test_addresses_that_are_not_public_are_refused(self, settings):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []

        assert refused(RSS).code == "address_refused"

    def test_a_secret_in_the_address_does_not_come_back(self):
        with Answering(lambda request: response(200, RSS.replace("First", request.target).encode())) as server:
            found = FeedRead().call(FeedArguments(url=server.url("/feed?key=⟦TOKEN⟧")), World(hops=2))

            assert server.received[0].target == "/feed?key=t0ken-of-alice"
        assert "t0ken-of-alice" not in str(found)
