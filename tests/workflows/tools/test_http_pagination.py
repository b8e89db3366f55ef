from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.calling import TOKEN, World, answer_json, call
from workflows.http import Postponed
from workflows.nodes.base import NodeError
from workflows.tools.http_request.arguments import RequestArguments


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


def asked(request):
    """Return the query of a request that arrived."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}


def numbered(pages, *, name="page", first=1):
    """Answer as a service whose pages are numbered; beyond the last one there is an empty list."""
    return lambda request: answer_json((pages[int(asked(request)[name]) - first :] or [[]])[0])


def linked(pages, server):
    """Answer as a service that says in the Link header where the next page is."""

    def answer(request):
        number = int(asked(request).get("p", 0))
        more = {"link": f'<{server().url(f"/list?p={number + 1}")}>; rel="next"'} if number + 1 < len(pages) else {}
        return answer_json(pages[number], **more)

    return answer


def cursors(pages, *, at="next"):
    """Answer as a service that gives a mark for the next page, in the query or in a JSON body."""

    def answer(request):
        mark = asked(request).get("after") or (json.loads(request.body).get("after") if request.body else None)
        number = int((mark or "m0")[1:])
        following = f"m{number + 1}" if number + 1 < len(pages) else None
        return answer_json({"data": pages[number], at: following})

    return answer


PAGES = [[{"id": 1}, {"id": 2}], [{"id": 3}, {"id": 4}], [{"id": 5}]]
ALL = [{"id": number} for number in range(1, 6)]


class TestNumbered:
    def test_goes_on_to_the_first_page_without_items_and_joins_them(self):
        with Answering(numbered(PAGES)) as server:
            output = call(url=server.url(), pagination={"type": "page"})

        assert output["body"] == ALL
        assert output["pagination"] == {"pages": 4, "items": 5, "ended_by": "last_page", "is_complete": True}
        assert (output["status"], output["body_format"]) == (200, "json")

    def test_a_text_may_hold_half_a_character(self):
        """As of services that cut texts in the middle of an emoji."""
        with Answering(numbered([[{"title": "cut \ud83d"}]])) as server:
            output = call(url=server.url(), pagination={"type": "page"})

        assert output["body"] == [{"title": "cut \ud83d"}]

    def test_a_page_that_is_not_full_is_the_last_where_the_size_is_known(self):
        with Answering(numbered(PAGES)) as server:
            output = call(url=server.url(), pagination={"type": "page", "size": 2})

        assert output["body"] == ALL
        assert len(server.received) == 3

    def test_may_begin_at_zero_under_another_name_and_replaces_what_the_url_says(self):
        with Answering(numbered(PAGES, name="p", first=0)) as server:
            call(
                url=server.url("/?p=7&x=a%20b"),
                query={"p": 9},
                pagination={"type": "page", "parameter": "p", "first": 0},
            )

        assert [request.target for request in server.received][:2] == ["/?x=a%20b&p=0", "/?x=a%20b&p=1"]

    def test_an_offset_grows_by_what_has_come(self):
        with Answering(lambda request: answer_json(ALL[int(asked(request)["offset"]) :][:2])) as server:
            output = call(url=server.url(), pagination={"type": "offset", "size": 2})

        assert output["body"] == ALL
        assert [asked(request)["offset"] for request in server.received] == ["0", "2", "4"]

    def test_the_number_may_go_into_a_json_body(self):
        def answer(request):
            return answer_json((PAGES[json.loads(request.body)["paging"]["page"] - 1 :] or [[]])[0])

        with Answering(answer) as server:
            output = call(
                method="POST",
                url=server.url(),
                json={"filter": "all", "paging": {"size": 2}},
                pagination={"type": "page", "parameter": "/paging/page", "send_in": "json"},
            )

        assert output["body"] == ALL
        assert json.loads(server.received[1].body) == {"filter": "all", "paging": {"size": 2, "page": 2}}

    def test_a_service_that_gives_the_same_page_again_is_not_asked_for_ever(self):
        with Answering(answer_json([1, 2])) as server, pytest.raises(NodeError, match="page 2 is the same") as caught:
            call(url=server.url(), pagination={"type": "page"})

        assert (caught.value.code, caught.value.retryable) == ("page_repeated", False)
        assert len(server.received) == 2

    def test_the_same_items_beside_a_running_clock_are_the_same_page(self):
        def answer(_):
            return answer_json({"at": len(server.received), "data": [1]})

        with Answering(answer) as server, pytest.raises(NodeError) as caught:
            call(url=server.url(), pagination={"type": "page", "items": "/data"})

        assert caught.value.code == "page_repeated"


class TestLinks:
    def test_follows_the_link_header(self):
        with Answering(linked(PAGES, lambda: server)) as server:
            output = call(url=server.url("/list"), pagination={"type": "link"})

        assert output["body"] == ALL
        assert output["pagination"]["ended_by"] == "last_page"

    def test_sends_credentials_to_the_same_origin_with_each_page(self):
        with Answering(linked(PAGES, lambda: server)) as server:
            call(
                url=server.url("/list"),
                headers={"X-Own": "⟦TOKEN⟧"},
                auth={"type": "query", "name": "key", "value": "⟦TOKEN⟧"},
                pagination={"type": "link"},
            )

        assert [request.headers["x-own"] for request in server.received] == [TOKEN] * 3
        assert [asked(request)["key"] for request in server.received] == [TOKEN] * 3

    def test_a_key_that_the_link_repeats_is_there_once(self):
        def answer(request):
            more = {"link": f"<{request.target}&p=2>; rel=next"} if "p=2" not in request.target else {}
            return answer_json([request.target], **more)

        with Answering(answer) as server:
            output = call(
                url=server.url(),
                auth={"type": "query", "name": "key", "value": "⟦TOKEN⟧"},
                pagination={"type": "link"},
            )

        assert parse_qs(urlsplit(server.received[1].target).query) == {"key": [TOKEN], "p": ["2"]}
        assert TOKEN not in json.dumps(output)

    def test_credentials_do_not_go_to_another_origin_and_not_back_either(self):
        """S-SSRF-2: whoever was asked without credentials does not say where to send them."""

        def strange(_):
            return answer_json([2], link=f"<{home.url('/third')}>; rel=next")

        def at_home(request):
            number, following = {
                "/first": (1, stranger.url("/second")),
                "/third": (3, "/fourth"),
                "/fourth": (4, None),
            }[request.target]
            return answer_json([number], **({"link": f"<{following}>; rel=next"} if following else {}))

        with Answering(strange) as stranger, Answering(at_home) as home:
            output = call(
                url=home.url("/first"),
                headers={"X-Own": "⟦TOKEN⟧", "Accept": "application/json"},
                auth={"type": "bearer", "token": "⟦TOKEN⟧"},
                pagination={"type": "link"},
            )

        assert output["body"] == [1, 2, 3, 4]
        first, third, fourth = home.received
        assert first.headers["authorization"] == f"Bearer {TOKEN}"
        for request in (stranger.received[0], third, fourth):
            assert not {"authorization", "x-own"} & request.headers.keys()
            assert request.headers["accept"] == "application/json"
            assert TOKEN not in str(request)

    def test_credentials_do_not_go_where_a_redirect_away_says_that_the_next_page_is(self):
        """S-SSRF-2"""

        def at_home(request):
            if request.target == "/list":
                return response(302, location=stranger.url("/list"))
            return answer_json([2])

        with (
            Answering(lambda _: answer_json([1], link=f"<{home.url('/secrets')}>; rel=next")) as stranger,
            Answering(at_home) as home,
        ):
            call(url=home.url("/list"), auth={"type": "bearer", "token": "⟦TOKEN⟧"}, pagination={"type": "link"})

        assert home.received[1].target == "/secrets"
        assert "authorization" not in home.received[1].headers

    def test_a_body_does_not_go_to_another_origin(self):
        with (
            Answering() as stranger,
            Answering(lambda _: answer_json([1], link=f"<{stranger.url()}>; rel=next")) as home,
            pytest.raises(NodeError, match="is not sent there") as caught,
        ):
            call(method="POST", url=home.url(), json={"a": 1}, pagination={"type": "link"})

        assert caught.value.code == "bad_next_url"
        assert stranger.received == []

    @pytest.mark.parametrize("target", ["ftp://h/", "http://user@h/", "http://[", "/a/%2e%2e/b", "file:///etc/passwd"])
    def test_a_link_to_where_nobody_calls_is_an_error(self, target):
        with Answering(answer_json([1], link=f"<{target}>; rel=next")) as server, pytest.raises(NodeError) as caught:
            call(url=server.url(), pagination={"type": "link"})

        assert caught.value.code == "bad_next_url"

    def test_the_next_page_is_called_through_the_door(self, settings):
        """S-SSRF-1"""
        with (
            Answering(answer_json([1], link="<http://169.254.169.254/latest>; rel=next")) as server,
            pytest.raises(NodeError) as caught,
        ):
            call(url=server.url(), pagination={"type": "link"})

        assert caught.value.code == "address_refused"

    def test_links_in_a_circle_end_with_an_error(self):
        def answer(request):
            return answer_json([len(server.received)], link=f"</{'b' if request.target == '/a' else 'a'}>; rel=next")

        with Answering(answer) as server, pytest.raises(NodeError, match="leads back to one") as caught:
            call(url=server.url("/a"), pagination={"type": "link"})

        assert caught.value.code == "page_repeated"
        assert len(server.received) == 3

    def test_the_body_may_say_where_the_next_page_is(self):
        def answer(request):
            number = int(asked(request).get("p", 0))
            return answer_json({"rows": PAGES[number], "links": {"next": f"?p={number + 1}" if number < 2 else None}})

        with Answering(answer) as server:
            output = call(
                url=server.url("/list"), pagination={"type": "next_url", "next": "/links/next", "items": "/rows"}
            )

        assert output["body"] == ALL


class TestCursors:
    def test_the_mark_comes_from_the_body_and_goes_into_the_query(self):
        with Answering(cursors(PAGES)) as server:
            output = call(
                url=server.url(),
                query={"limit": 2},
                pagination={"type": "cursor", "cursor": "/next", "parameter": "after", "items": "/data"},
            )

        assert output["body"] == ALL
        assert [asked(request) for request in server.received] == [
            {"limit": "2"},
            {"limit": "2", "after": "m1"},
            {"limit": "2", "after": "m2"},
        ]

    def test_or_into_the_body_and_each_page_has_an_idempotency_key_of_its_own(self):
        with Answering(cursors(PAGES)) as server:
            output = call(
                method="POST",
                url=server.url(),
                json={"limit": 2},
                pagination={
                    "type": "cursor",
                    "cursor": "/next",
                    "parameter": "after",
                    "send_in": "json",
                    "items": "/data",
                },
            )

        assert output["body"] == ALL
        keys = [request.headers["idempotency-key"] for request in server.received]
        assert keys == ["key-of-this-node-run", "key-of-this-node-run:page-2", "key-of-this-node-run:page-3"]

    def test_the_mark_may_come_from_a_header(self):
        def answer(request):
            number = int(asked(request).get("after", 0))
            return answer_json(PAGES[number], **({"x_next": str(number + 1)} if number < 2 else {}))

        with Answering(answer) as server:
            output = call(url=server.url(), pagination={"type": "cursor", "header": "X-Next", "parameter": "after"})

        assert output["body"] == ALL

    def test_the_mark_may_be_an_expression_over_the_page(self):
        def answer(request):
            after = int(asked(request).get("starting_after", 0))
            return answer_json({"data": ALL[after : after + 2], "has_more": after + 2 < len(ALL)})

        with Answering(answer) as server:
            output = call(
                url=server.url(),
                pagination={
                    "type": "cursor",
                    "cursor": "{{ item.body.has_more ? item.items.at(-1).id : null }}",
                    "parameter": "starting_after",
                    "items": "/data",
                },
            )

        assert output["body"] == ALL
        assert len(server.received) == 3

    def test_a_mark_that_comes_again_ends_with_an_error(self):
        def answer(_):
            return answer_json({"data": [len(server.received)], "next": "same"})

        with Answering(answer) as server, pytest.raises(NodeError, match="leads back to one") as caught:
            call(
                url=server.url(),
                pagination={"type": "cursor", "cursor": "/next", "parameter": "after", "items": "/data"},
            )

        assert caught.value.code == "page_repeated"
        assert len(server.received) == 2

    def test_a_mark_that_is_no_mark_is_an_error(self):
        with Answering(answer_json({"data": [1], "next": {"a": 1}})) as server, pytest.raises(NodeError) as caught:
            call(
                url=server.url(),
                pagination={"type": "cursor", "cursor": "/next", "parameter": "after", "items": "/data"},
            )

        assert caught.value.code == "bad_cursor"


class TestUntil:
    def test_ends_after_the_page_for_which_it_is_true(self):
        with Answering(numbered(PAGES)) as server:
            output = call(
                url=server.url(), pagination={"type": "page", "until": "{{ item.items.some(each => each.id === 4) }}"}
            )

        assert output["body"] == ALL[:4]
        assert output["pagination"] == {"pages": 2, "items": 4, "ended_by": "until", "is_complete": True}

    def test_sees_number_status_and_headers_of_the_page(self):
        with Answering(lambda _: answer_json([len(server.received)], x_last="yes")) as server:
            output = call(
                url=server.url(),
                pagination={
                    "type": "page",
                    "until": "{{ item.number === 3 && item.status === 200 && item.headers['x-last'] === 'yes' }}",
                },
            )

        assert output["pagination"]["pages"] == 3

    def test_must_be_true_or_false(self):
        with Answering(answer_json([1])) as server, pytest.raises(NodeError, match="true or false") as caught:
            call(url=server.url(), pagination={"type": "page", "until": "{{ item.body.length }}"})

        assert caught.value.code == "invalid_config"


class TestItems:
    def test_may_be_an_expression(self):
        with Answering(answer_json({"a": [1], "b": [2]})) as server:
            output = call(
                url=server.url(),
                pagination={"type": "link", "items": "{{ item.body.a.concat(item.body.b ?? []) }}"},
            )

        assert output["body"] == [1, 2]

    def test_a_first_page_without_a_list_is_a_mistake_that_names_the_place(self):
        with Answering(answer_json({"data": [1]})) as server, pytest.raises(NodeError, match="at /rows") as caught:
            call(url=server.url(), pagination={"type": "link", "items": "/rows"})

        assert caught.value.code == "no_list"

    def test_a_later_page_may_leave_an_empty_list_out(self):
        def answer(request):
            return answer_json({"data": [1]} if asked(request)["page"] == "1" else {})

        with Answering(answer) as server:
            output = call(url=server.url(), pagination={"type": "page", "items": "/data"})

        assert output["body"] == [1]

    def test_a_page_without_a_body_has_no_items(self):
        with Answering(response(204)) as server:
            assert call(url=server.url(), pagination={"type": "page"})["body"] == []

    def test_secrets_that_a_page_repeats_are_masked(self):
        with Answering(answer_json([{"echo": f"Bearer {TOKEN}"}])) as server:
            output = call(url=server.url(), auth={"type": "bearer", "token": "⟦TOKEN⟧"}, pagination={"type": "link"})

        assert TOKEN not in json.dumps(output)


class TestLimits:
    @pytest.mark.parametrize(
        ("limit", "pages", "items"),
        [({"max_pages": 2}, 2, 4), ({"max_items": 3}, 2, 3), ({"max_items": 4}, 2, 4), ({"max_bytes": 5}, 1, 2)],
    )
    def test_stop_it_and_the_output_says_so(self, limit, pages, items):
        with Answering(numbered(PAGES)) as server:
            output = call(url=server.url(), pagination={"type": "page", **limit})

        assert output["body"] == ALL[:items]
        (name,) = limit
        assert output["pagination"] == {"pages": pages, "items": items, "ended_by": name, "is_complete": False}
        assert len(server.received) == pages

    def test_stop_it_after_a_time(self):
        with Answering(numbered(PAGES)) as server:
            output = call(url=server.url(), pagination={"type": "page", "max_seconds": 0.000001})

        assert output["pagination"]["ended_by"] == "max_seconds"

    def test_a_list_that_ends_just_there_is_complete(self):
        with Answering(linked(PAGES, lambda: server)) as server:
            output = call(url=server.url(), pagination={"type": "link", "max_pages": 3, "max_items": 5})

        assert output["pagination"]["is_complete"] is True

    def test_may_fail_the_node_instead(self):
        with Answering(numbered(PAGES)) as server, pytest.raises(NodeError, match="max_pages was reached") as caught:
            call(url=server.url(), pagination={"type": "page", "max_pages": 2, "on_limit": "fail"})

        assert caught.value.code == "pagination_limit"
        assert caught.value.details == {"limit": "max_pages", "pages": 2, "items": 4}


class TestTroubleOnTheWay:
    def test_a_page_with_another_status_fails_the_node(self):
        def answer(request):
            return answer_json([1]) if asked(request)["page"] == "1" else response(500)

        with Answering(answer) as server, pytest.raises(NodeError) as caught:
            call(url=server.url(), pagination={"type": "page"})

        assert (caught.value.code, caught.value.retryable) == ("http_status", True)

    def test_a_page_that_is_to_be_asked_for_later_is_and_none_before_it_again(self):
        busy = [True]

        def answer(request):
            if asked(request)["page"] == "2" and busy:
                busy.clear()
                return response(429, retry_after="7")
            return numbered(PAGES)(request)

        world = World()
        with Answering(answer) as server:
            with pytest.raises(Postponed) as put_off:
                call(world, url=server.url(), pagination={"type": "page"})
            output = call(world, url=server.url(), pagination={"type": "page"})

        assert put_off.value.seconds == 7
        assert output["body"] == ALL
        assert output["pagination"]["pages"] == 4
        assert [asked(request)["page"] for request in server.received] == ["1", "2", "2", "3", "4"]

    def test_a_page_that_is_always_for_later_fails_in_the_end(self):
        world = World()

        def answer(request):
            return answer_json([1]) if asked(request)["page"] == "1" else response(503, retry_after="1")

        with Answering(answer) as server:
            for _ in range(5):
                with pytest.raises(Postponed):
                    call(world, url=server.url(), pagination={"type": "page"})
            with pytest.raises(NodeError) as caught:
                call(world, url=server.url(), pagination={"type": "page"})

        assert (caught.value.code, caught.value.retry_after) == ("http_status", 1.0)


class TestKeeping:
    """S-SEC-4: what is kept while a page waits goes into the database."""

    def busy_at_two(self, link):
        def answer(request):
            if "p=2" in request.target:
                return response(429, retry_after="7")
            return answer_json([1], link=f"<{link(request)}>; rel=next")

        return answer

    def test_a_key_that_the_next_link_repeats_does_not_matter(self):
        world = World()
        arguments = {"auth": {"type": "query", "name": "key", "value": "⟦TOKEN⟧"}, "pagination": {"type": "link"}}
        with Answering(self.busy_at_two(lambda request: f"{request.target}&p=2")) as server, pytest.raises(Postponed):
            call(world, url=server.url(), **arguments)

        assert world.kept["pages"] == 1
        assert TOKEN not in json.dumps(world.kept)

    def test_a_place_that_holds_another_secret_is_not_kept(self):
        world = World()
        with Answering(self.busy_at_two(lambda request: f"{request.target}&p=2")) as server, pytest.raises(Postponed):
            call(world, url=server.url(), query={"token": "⟦TOKEN⟧"}, pagination={"type": "link"})

        assert world.kept is None


class TestArguments:
    @pytest.mark.parametrize(
        ("pagination", "reason"),
        [
            ({"type": "scroll"}, "'link', 'next_url', 'cursor', 'page', 'offset'"),
            ({"type": "cursor", "parameter": "a"}, "either from `cursor` or from `header`"),
            ({"type": "cursor", "parameter": "a", "cursor": "/a", "header": "b"}, "either from `cursor`"),
            ({"type": "next_url", "next": "links.next"}, "right form"),
            ({"type": "page", "items": "data"}, "right form"),
            ({"type": "page", "max_pages": 0}, "greater than or equal to 1"),
            ({"type": "page", "max_pages": 1_001}, "less than or equal to 1000"),
            ({"type": "page", "send_in": "json"}, "needs a `json` body"),
            ({"type": "page", "cursor": "/a"}, "not permitted"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, pagination, reason):
        with pytest.raises(ValidationError, match=reason):
            RequestArguments.model_validate({"url": "http://h", "pagination": pagination})
