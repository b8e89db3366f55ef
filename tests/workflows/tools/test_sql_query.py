"""``sql.query`` against a real PostgreSQL server: that of the tests."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from tests.builders import definition, node
from tests.certificates import self_signed
from tests.workflows.definition.checks import problems
from tests.workflows.http.gates import Book
from tests.workflows.http.servers import Server
from tests.workflows.tools.world import World
from workflows.http import Cancel, Cancelled, Postponed, abandonable, through
from workflows.nodes.base import Effect, NodeError
from workflows.tools.base import catalogue
from workflows.tools.sql_query.arguments import SqlArguments

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_postgresql(settings):
    if connection.vendor != "postgresql":
        pytest.skip("there is no PostgreSQL server")
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def url():
    return url_of()


def url_of(*, query="", **changes):
    """Return a URL to the tests' own database."""
    given = connection.settings_dict | {"HOST": connection.settings_dict["HOST"] or "127.0.0.1"} | changes
    login = quote(given["USER"], safe="") + (f":{quote(given['PASSWORD'], safe='')}" if given["PASSWORD"] else "")
    return f"postgresql://{login}@{given['HOST']}:{given['PORT'] or 5432}/{given['NAME']}{query}"


@pytest.fixture
def orders(url):
    with psycopg.connect(url, autocommit=True) as direct:
        direct.execute("CREATE TABLE sql_orders (id bigint PRIMARY KEY, name text, total numeric(12, 2))")
        direct.execute("INSERT INTO sql_orders VALUES (1, 'one', 10.50), (2, 'two', 20)")
        yield direct
        direct.execute("DROP TABLE IF EXISTS sql_orders")


def run(sql, *parameters, url=None, world=None, **arguments):
    tool = catalogue()["sql.query"]
    given = SqlArguments.model_validate({"connection": "⟦DB⟧", "sql": sql, "parameters": list(parameters), **arguments})
    return tool.call(given, world or World(secrets={"DB": url or url_of()}))


def refused(sql, *parameters, **more):
    with pytest.raises(NodeError) as raised:
        run(sql, *parameters, **more)
    return raised.value


def value(sql, *parameters):
    (row,) = run(sql, *parameters)["rows"]
    return next(iter(row.values()))


class TestReading:
    def test_gives_rows_by_the_names_of_their_columns(self, orders):
        output = run("SELECT id, name, total FROM sql_orders ORDER BY id")

        assert output == {
            "rows": [{"id": 1, "name": "one", "total": "10.50"}, {"id": 2, "name": "two", "total": "20.00"}],
            "row_count": 2,
            "command": "SELECT 2",
        }

    def test_parameters_are_data_and_never_sql(self, orders):
        """[S-CODE-1]"""
        assert run("SELECT id FROM sql_orders WHERE name = $1", "' OR 1=1 --")["rows"] == []

    def test_a_statement_that_gives_no_rows_gives_an_empty_list(self):
        assert run("SET LOCAL search_path TO public")["rows"] == []

    def test_a_table_is_not_changed(self, orders):
        error = refused("DELETE FROM sql_orders")

        assert (error.code, error.retryable, error.details["sqlstate"]) == ("read_only", False, "25006")
        assert "Set `read_only` to false" in error.message

    @pytest.mark.parametrize(
        "sql",
        [
            "COMMIT; DROP TABLE sql_orders",
            "SELECT 1; SELECT 2",
            "DO $do$ BEGIN COMMIT; DROP TABLE sql_orders; END $do$",
            "DO $do$ BEGIN SET TRANSACTION READ WRITE; DROP TABLE sql_orders; END $do$",
            "DO $do$ BEGIN PERFORM set_config('transaction_read_only', 'off', true); DROP TABLE sql_orders; END $do$",
            "WITH gone AS (DELETE FROM sql_orders RETURNING id) SELECT * FROM gone",
        ],
    )
    def test_no_trick_makes_it_write(self, orders, sql):
        refused(sql)

        assert orders.execute("SELECT count(*) FROM sql_orders").fetchone() == (2,)

    def test_a_statement_that_ends_the_transaction_leaves_nothing_behind(self, orders):
        run("COMMIT")

        assert orders.execute("SELECT count(*) FROM sql_orders").fetchone() == (2,)


class TestWriting:
    def test_is_committed_and_counted(self, orders):
        output = run("UPDATE sql_orders SET total = total + $1", 1, read_only=False)

        assert output == {"rows": [], "row_count": 2, "command": "UPDATE 2"}
        assert orders.execute("SELECT sum(total) FROM sql_orders").fetchone()[0] == 32.5

    def test_gives_what_it_returns(self, orders):
        output = run("INSERT INTO sql_orders VALUES ($1, $2, 5) RETURNING id", 3, "three", read_only=False)

        assert output["rows"] == [{"id": 3}]

    def test_a_constraint_names_itself_and_is_not_tried_again(self, orders):
        error = refused("INSERT INTO sql_orders VALUES (1)", read_only=False)

        assert (error.code, error.retryable) == ("constraint_violated", False)
        assert error.details["constraint"] == "sql_orders_pkey"

    def test_too_many_returned_rows_undo_it(self, orders):
        error = refused("DELETE FROM sql_orders RETURNING id", read_only=False, max_rows=1)

        assert error.code == "too_many_rows"
        assert orders.execute("SELECT count(*) FROM sql_orders").fetchone() == (2,)


class TestValues:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("NULL::int", None),
            ("true", True),
            ("9223372036854775807::bigint", 9223372036854775807),
            ("1.5::float8", 1.5),
            ("'NaN'::float8", "NaN"),
            ("'-Infinity'::float4", "-Infinity"),
            ("12345678901234567890.10::numeric", "12345678901234567890.10"),
            ("'2026-11-24 12:30:00.5'::timestamp", "2026-11-24T12:30:00.5"),
            ("'2026-11-24 12:30:00+02'::timestamptz", "2026-11-24T10:30:00+00:00"),
            ("'infinity'::timestamptz", "infinity"),
            ("'2026-11-24'::date", "2026-11-24"),
            ("'0044-03-15 BC'::date", "0044-03-15 BC"),
            ("'25:00:01'::interval", "PT25H1S"),
            (r"'\x00ff'::bytea", "AP8="),
            ("'{\"a\": [1, null]}'::json", {"a": [1, None]}),
            ("'[1.5]'::jsonb", [1.5]),
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("ARRAY[1, NULL, 3]", [1, None, 3]),
            ("ARRAY[[1.5, 2], [3, 4]]::numeric[]", [["1.5", "2"], ["3", "4"]]),
            ("ARRAY['2026-01-01 00:00Z'::timestamptz]", ["2026-01-01T00:00:00+00:00"]),
            ("'192.0.2.0/24'::cidr", "192.0.2.0/24"),
            ("'[1,5)'::int4range", "[1,5)"),
            ("'ä'::text", "ä"),
            (r"""'["a \ud83d"]'::json""", [r"a \ud83d"]),
            (r"""'["a \u0000"]'::json""", [r"a \u0000"]),
        ],
    )
    def test_come_as_json(self, sql, expected):
        assert value(f"SELECT {sql} AS it") == expected

    @pytest.mark.parametrize(
        ("sql", "why"),
        [
            ("'1e400'::json", "infinity"),
            ("'1e400'::jsonb", "400 digits"),
            ("(repeat('[', 100) || repeat(']', 100))::json", "deeper than 64"),
            ("(repeat('[', 5000) || repeat(']', 5000))::json", "deeper than 64"),
        ],
    )
    def test_json_that_cannot_be_read_says_so(self, sql, why):
        error = refused(f"SELECT {sql} AS it")

        assert error.code == "invalid_data"
        assert why in error.message
        assert "column::text" in error.message

    def test_are_the_same_whatever_the_server_prefers(self, url):
        database = (
            f'ALTER DATABASE "{connection.settings_dict["NAME"]}"'  # Not the role, which others connect with meanwhile.
        )
        with psycopg.connect(url, autocommit=True) as direct:
            direct.execute(f"{database} SET datestyle TO 'German'")
            try:
                assert value("SELECT '2026-11-24'::date AS it") == "2026-11-24"
            finally:
                direct.execute(f"{database} RESET datestyle")

    @pytest.mark.parametrize(
        ("sql", "parameter", "expected"),
        [
            ("$1::text", "it's", "it's"),
            ("$1::int + 1", 41, 42),
            ("$1::float8", 1.5, 1.5),
            ("$1::numeric", "0.10", "0.10"),
            ("$1::bool", False, False),
            ("$1::text", None, None),
            ("$1", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
            ("$1::jsonb", "[1, 2]", [1, 2]),
            ("2 = ANY($1::int[])", [1, 2], True),
            ("$1::text[]", ["a,b", '"', None], ["a,b", '"', None]),
            ("$1::numeric[]", [1, None, 2.5], ["1", None, "2.5"]),
            ("$1::float8[]", [[1, 2], [2.5, 3]], [[1, 2], [2.5, 3]]),
            ("$1::timestamptz", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00+00:00"),
            ("$1::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ],
    )
    def test_go_as_parameters(self, sql, parameter, expected):
        assert value(f"SELECT {sql} AS it", parameter) == expected

    def test_percent_signs_are_text(self):
        assert value("SELECT 'a%s' LIKE 'a%' AS it") is True

    def test_two_columns_of_one_name_are_refused(self):
        assert refused("SELECT 1 AS a, 2 AS a").code == "duplicate_column"

    @pytest.mark.parametrize("parameter", ["a\x00b", "\ud800"])
    def test_text_that_postgresql_cannot_hold_is_refused(self, parameter):
        assert refused("SELECT $1::text", parameter).code == "invalid_data"


class TestLimits:
    def test_a_statement_is_stopped_in_time(self):
        began = time.monotonic()

        error = refused("SELECT pg_sleep(30)", timeout_seconds=0.5)

        assert (error.code, error.retryable) == ("timeout", True)
        assert time.monotonic() - began < 3

    def test_the_nodes_own_time_counts(self):
        world = World(secrets={"DB": url_of()}, seconds_left=0.5)

        assert refused("SELECT pg_sleep(30)", world=world).code == "timeout"

    def test_nothing_is_begun_when_the_time_is_over(self):
        world = World(secrets={"DB": "postgresql://u@192.0.2.1/none"}, seconds_left=-1)

        assert refused("SELECT 1", world=world).code == "timeout"

    def test_does_not_wait_long_for_a_lock(self, orders, url):
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE sql_orders")
            error = refused("SELECT * FROM sql_orders", lock_timeout_seconds=0.2)

        assert (error.code, error.retryable) == ("lock_timeout", True)

    def test_rows_that_are_too_many_fail_the_node(self):
        assert refused("SELECT generate_series(1, 1001)").code == "too_many_rows"
        assert run("SELECT generate_series(1, 1001)", max_rows=1001)["row_count"] == 1001

    def test_rows_that_are_too_large_fail_the_node(self, settings):
        settings.NODE_OUTPUT_MAX_BYTES = 10_000

        assert refused("SELECT repeat('x', 12000)").code == "too_large"

    def test_a_flood_is_cut_off_before_it_fills_the_memory(self, settings):
        """[S-DOS-1]"""
        settings.NODE_OUTPUT_MAX_BYTES = 100_000

        error = refused("SELECT repeat('x', 1000000) FROM generate_series(1, 2000)", max_rows=10_000)

        assert error.code == "too_large"
        assert "200,000 bytes" in error.message

    def test_a_call_that_is_abandoned_ends_at_once(self):
        cancel = Cancel()
        threading.Timer(0.3, cancel.cancel).start()
        began = time.monotonic()

        with pytest.raises(Cancelled), abandonable(cancel):
            run("SELECT pg_sleep(30)")

        assert time.monotonic() - began < 3


class TestConnection:
    def test_a_line_end_after_the_url_does_no_harm(self, url):
        assert run("SELECT 1 AS it", url=f"{url}\n")["rows"] == [{"it": 1}]

    def test_is_left_to_nobody(self, url):
        run("SELECT 1", url=url_of(query="?application_name=segue-sql-test"))

        with psycopg.connect(url, autocommit=True) as direct:
            for _ in range(50):
                left = direct.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'segue-sql-test'"
                ).fetchone()
                if left == (0,):
                    return
                time.sleep(0.05)
        pytest.fail("a connection is still there")

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("mysql://u:p4ssword@h/db", "begins with postgresql://"),
            ("postgresql://u:p4ss@word@h:x/db", "is none"),
            ("postgresql://u:p4ss%zzword@h/db", "malformed"),
            ("postgresql:///db?host=/var/run/postgresql&user=u", "must name one host"),
            ("postgresql://u:p4ssword@/db", "must name one host"),
            ("postgresql://u:p4ssword@h1,h2/db", "must name one host"),
            ("postgresql://u:p4ssword@h/", "names no database"),
            ("postgresql://h/db", "names no user"),
            ("postgresql://u:p4ssword@h/db?sslmode=maybe", "sslmode"),
            ("postgresql://u:p4ssword@h/db?hostaddr=127.0.0.1", "sets hostaddr"),
            ("postgresql://u:p4ssword@h/db?service=prod", "sets service"),
            ("postgresql://u:p4ssword@h/db?passfile=/etc/passwd", "sets passfile"),
            ("postgresql://u:p4ssword@h/db?sslkey=/etc/key", "sets sslkey"),
            ("postgresql://u:p4ssword@h/db?options=-c%20x", "sets options"),
        ],
    )
    def test_urls_that_reach_elsewhere_are_refused(self, url, why):
        """[S-FILE-1] [S-SSRF-1]"""
        error = refused("SELECT 1", url=url)

        assert error.code == "invalid_connection"
        assert why in error.message
        assert "p4ss" not in error.message

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1", "0x7f000001"])
    def test_private_addresses_are_refused_unless_the_operator_allows_them(self, settings, host):
        """[S-SSRF-1]"""
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []

        error = refused("SELECT 1", url=f"postgresql://u:p4ssword@{host}/db")

        assert error.code in {"address_refused", "dns"}
        assert host not in error.message
        assert not error.retryable

    def test_nothing_of_this_machine_goes_along(self, monkeypatch, tmp_path):
        """[S-AUTHZ-1]: no user, password or option of whoever runs the worker."""
        (tmp_path / "service.conf").write_text("[mine]\nuser=postgres\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "service.conf"))
        monkeypatch.setenv("PGSERVICE", "mine")
        monkeypatch.setenv("PGOPTIONS", "-c application_name=ambient")
        monkeypatch.setenv("PGAPPNAME", "ambient")
        monkeypatch.setenv("PGPASSWORD", "ambient")

        assert value("SELECT current_setting('application_name') AS it") == "segue"

    def test_a_wrong_login_is_not_tried_again(self):
        error = refused("SELECT 1", url=url_of(USER="nobody-of-that-name", PASSWORD="wr0ng-password"))

        assert (error.code, error.retryable) == ("login_failed", False)
        assert "wr0ng-password" not in error.message

    def test_an_unknown_database_says_so(self):
        assert refused("SELECT 1", url=url_of(NAME="no_such_database")).code == "unknown_database"

    @pytest.mark.parametrize("sslmode", ["require", "verify-full"])
    def test_a_server_without_tls_is_refused_where_the_url_asks_for_it(self, sslmode):
        error = refused("SELECT 1", url=url_of(query=f"?sslmode={sslmode}"))

        assert (error.code, error.retryable) == ("tls", False)

    @pytest.mark.parametrize(
        ("host", "sslmode", "is_trusted", "code"),
        [
            ("localhost", "verify-full", True, "login_failed"),  # So far as the login it came.
            ("localhost", "verify-full", False, "tls"),
            ("127.0.0.1", "verify-full", True, "tls"),  # The certificate is for another name.
            ("127.0.0.1", "verify-ca", True, "login_failed"),
            ("localhost", "verify-ca", False, "tls"),
            ("localhost", "require", False, "login_failed"),
        ],
    )
    def test_a_servers_certificate_is_checked_as_the_url_says(
        self, settings, tmp_path, monkeypatch, host, sslmode, is_trusted, code
    ):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8", "::1/128"]
        certificate = self_signed(tmp_path / "certificate.pem", "localhost")
        other = self_signed(tmp_path / "other.pem", "localhost")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate if is_trusted else other))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

        with Server(lambda peer, _: refuse_login(peer, tls)) as server:
            error = refused("SELECT 1", url=f"postgresql://u:p4ssword@{host}:{server.port}/db?sslmode={sslmode}")

        assert (error.code, error.retryable) == (code, False)

    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            error = refused("SELECT 1", url=f"postgresql://u:p4ssword@127.0.0.1:{free.getsockname()[1]}/db")

        assert (error.code, error.retryable) == ("connect", True)
        assert "p4ssword" not in str(error.message) + str(error.details)

    def test_a_server_that_says_nothing_is_given_up(self):
        with listening(lambda peer: time.sleep(8)) as port:
            began = time.monotonic()
            error = refused("SELECT 1", url=f"postgresql://u:p@127.0.0.1:{port}/db", timeout_seconds=2)

        assert (error.code, error.retryable) == ("connect", True)
        assert time.monotonic() - began < 5

    def test_one_that_the_server_ends_is_tried_again(self):
        error = refused("SELECT pg_terminate_backend(pg_backend_pid())")

        assert (error.code, error.retryable) == ("connection_lost", True)


def refuse_login(peer, tls):
    """Begin as a PostgreSQL server with TLS does, and refuse whoever it is (PostgreSQL's manual, 54.2 and 54.7)."""
    assert peer.recv(8) == bytes.fromhex("0000000804d2162f")
    peer.sendall(b"S")
    with tls.wrap_socket(peer, server_side=True) as secured:
        secured.recv(10_000)
        said = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "u"\0\0'
        secured.sendall(b"E" + (len(said) + 4).to_bytes(4, "big") + said)


@contextmanager
def listening(serve):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept():
            peer, _ = server.accept()
            with peer:
                serve(peer)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


class TestGate:
    """What limits a project's calls holds for a database's host, and for the secret with its URL, too."""

    def test_is_passed_for_as_long_as_the_connection_lasts(self):
        book = Book()
        with through(book):
            run("SELECT 1")
            refused("SELECT 1/0")

        assert book.events == [("out", "127.0.0.1"), ("back", "127.0.0.1")] * 2

    def test_lets_nobody_dial_while_it_is_closed(self):
        with through(Book(closed=("127.0.0.1",))), pytest.raises(Postponed):
            run("SELECT 1", url=url_of(PORT=1))


class TestErrors:
    @pytest.mark.parametrize(
        ("sql", "code"),
        [
            ("SELEKT 1", "invalid_sql"),
            ("SELECT * FROM no_such_table", "invalid_sql"),
            ("SELECT 1 / 0", "invalid_data"),
            ("SELECT $1::int", "invalid_sql"),
            ("COPY (SELECT 1) TO STDOUT", "invalid_sql"),
        ],
    )
    def test_say_what_postgresql_said(self, sql, code):
        error = refused(sql)

        assert (error.code, error.retryable) == (code, False)

    def test_secrets_do_not_come_back(self):
        world = World(secrets={"DB": url_of(), "TOKEN": "t0ken-of-alice"})

        output = run("SELECT $1::text AS it", "⟦TOKEN⟧", world=world)

        assert "t0ken-of-alice" not in str(output)

    def test_a_deadlock_is_tried_again(self):
        error = refused("DO $do$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40P01'; END $do$")

        assert (error.code, error.retryable) == ("deadlock", True)

    def test_a_serialization_failure_is_tried_again(self):
        error = refused("DO $do$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $do$")

        assert (error.code, error.retryable) == ("serialization_failure", True)


class TestDefinition:
    def problems_of(self, **arguments):
        given = {"connection": "{{ secret('DB') }}", "sql": "SELECT $1", **arguments}
        raw = definition("start > it", it=node("tool", {"tool": "sql.query", "with": given}))
        return [problem.code for problem in problems(raw, variables={"DB": True})]

    def test_takes_expressions_as_parameters_alone(self):
        """[S-CODE-1]"""
        assert self.problems_of(parameters=["{{ input.id }}"]) == []
        assert self.problems_of(sql="SELECT {{ input.id }}") == ["expression_forbidden"]
        assert self.problems_of(read_only="{{ input.id }}") == ["expression_forbidden"]

    def test_wants_the_connection_from_a_secret(self):
        assert self.problems_of(connection="postgresql://u:p@h/db") == ["secret_needed"]

    @pytest.mark.parametrize(
        ("arguments", "effect"),
        [
            ({}, Effect.READ),
            ({"read_only": True}, Effect.READ),
            ({"read_only": False}, Effect.WRITE),
            ({"read_only": "{{ 1 }}"}, Effect.WRITE),
        ],
    )
    def test_reads_unless_it_may_write(self, arguments, effect):
        assert catalogue()["sql.query"].effect(arguments) is effect
