"""S-SEC-1: AES-256-GCM envelopes that are bound to their place."""

from __future__ import annotations

import base64
import threading

import pytest
from django.db import connections

from projects import crypto
from projects.crypto import BadEncryptionKeys, SecretUnreadable, decrypt, encrypt, new_key_line, read_keys
from projects.models import Project
from tests.factories import ProjectFactory

OLD = "old:" + base64.b64encode(b"o" * 16 + bytes(range(16))).decode()
NEW = "new:" + base64.b64encode(b"n" * 16 + bytes(range(16))).decode()


@pytest.fixture
def project(db):
    return ProjectFactory()


def tampered(envelope: str) -> str:
    head, _, sealed = envelope.rpartition(":")
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    raw[-1] ^= 1
    return f"{head}:{base64.urlsafe_b64encode(raw).decode()}"


class TestEncrypt:
    @pytest.mark.parametrize("text", ["", "geheim", "ä😀\x00\n", "x" * 100_000])
    def test_gives_back_what_it_was_given(self, project, text):
        envelope = encrypt(project, text, binds_to="row:1")

        assert decrypt(project, envelope, binds_to="row:1") == text

    def test_shows_nothing_of_the_text(self, project):
        assert "geheim" not in encrypt(project, "geheim", binds_to="row:1")

    def test_gives_another_envelope_each_time(self, project):
        assert len({encrypt(project, "geheim", binds_to="row:1") for _ in range(10)}) == 10

    def test_names_its_format_and_key(self, project):
        version, key_id, sealed = encrypt(project, "geheim", binds_to="row:1").split(":")

        assert (version, key_id) == ("v1", project.data_key.split(":")[2])
        assert len(base64.urlsafe_b64decode(sealed)) == 12 + len("geheim") + 16

    def test_gives_each_project_a_key_of_its_own(self, project):
        encrypt(project, "geheim", binds_to="row:1")
        other = ProjectFactory()
        encrypt(other, "geheim", binds_to="row:1")

        assert project.data_key != other.data_key

    def test_needs_a_wrapping_key(self, project, settings):
        settings.SEGUE_ENCRYPTION_KEYS = []

        with pytest.raises(BadEncryptionKeys, match="SEGUE_ENCRYPTION_KEYS is not set"):
            encrypt(project, "geheim", binds_to="row:1")


class TestDecrypt:
    def test_refuses_another_place(self, project):
        envelope = encrypt(project, "geheim", binds_to="row:1")

        with pytest.raises(SecretUnreadable, match="row:2 cannot be decrypted") as caught:
            decrypt(project, envelope, binds_to="row:2")

        assert "Set the secret again" in caught.value.hint

    def test_refuses_another_project(self, project):
        envelope = encrypt(project, "geheim", binds_to="row:1")

        with pytest.raises(SecretUnreadable, match="was encrypted with data key"):
            decrypt(ProjectFactory(), envelope, binds_to="row:1")

    def test_refuses_a_data_key_that_was_copied_from_another_project(self, project):
        envelope = encrypt(project, "geheim", binds_to="row:1")
        thief = ProjectFactory(data_key=project.data_key)

        with pytest.raises(SecretUnreadable, match="copied from elsewhere"):
            decrypt(thief, envelope, binds_to="row:1")

    def test_refuses_what_was_changed(self, project):
        envelope = encrypt(project, "geheim", binds_to="row:1")

        with pytest.raises(SecretUnreadable, match="it was changed"):
            decrypt(project, tampered(envelope), binds_to="row:1")

    @pytest.mark.parametrize("envelope", ["", "geheim", "v2:a:b", "v1:x", "v1:a:b:c"])
    def test_refuses_what_is_no_envelope(self, project, envelope):
        with pytest.raises(SecretUnreadable):
            decrypt(project, envelope, binds_to="row:1")

    @pytest.mark.parametrize("sealed", ["", "!!", "AAAA", "a"])
    def test_refuses_an_envelope_without_sense(self, project, sealed):
        head = encrypt(project, "geheim", binds_to="row:1").rpartition(":")[0]

        with pytest.raises(SecretUnreadable):
            decrypt(project, f"{head}:{sealed}", binds_to="row:1")

    def test_shows_neither_text_nor_key_in_its_error(self, project):
        envelope = encrypt(project, "geheim", binds_to="row:1")

        with pytest.raises(SecretUnreadable) as caught:
            decrypt(project, envelope, binds_to="row:2")

        assert envelope.rpartition(":")[2] not in caught.value.message


class TestWrappingKeys:
    """Several keys decrypt, the first encrypts."""

    def test_a_new_first_key_leaves_old_secrets_readable(self, project, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [OLD]
        envelope = encrypt(project, "geheim", binds_to="row:1")

        settings.SEGUE_ENCRYPTION_KEYS = [NEW, OLD]

        assert decrypt(project, envelope, binds_to="row:1") == "geheim"

    def test_the_first_key_wraps(self, project, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [NEW, OLD]

        encrypt(project, "geheim", binds_to="row:1")

        assert project.data_key.startswith("v1:new:")

    def test_a_missing_key_is_named(self, project, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [OLD]
        envelope = encrypt(project, "geheim", binds_to="row:1")
        settings.SEGUE_ENCRYPTION_KEYS = [NEW]

        with pytest.raises(SecretUnreadable, match=r"Key old, which wraps .* is not in SEGUE_ENCRYPTION_KEYS"):
            decrypt(project, envelope, binds_to="row:1")

    def test_another_key_of_the_same_name_does_not_fit(self, project, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [OLD]
        envelope = encrypt(project, "geheim", binds_to="row:1")
        settings.SEGUE_ENCRYPTION_KEYS = [NEW.replace("new:", "old:")]

        with pytest.raises(SecretUnreadable, match="data key"):
            decrypt(project, envelope, binds_to="row:1")


class TestReadKeys:
    def test_reads_what_new_key_line_writes(self):
        (key,) = read_keys([new_key_line("k1")])

        assert (key.id, len(key.secret)) == ("k1", 32)

    def test_does_not_show_secrets(self):
        (key,) = read_keys([new_key_line("k1")])

        assert repr(key) == "Key(id='k1')"

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([], "is not set"),
            (["nocolon"], "not base64|has 0 bytes"),
            ([":" + OLD.partition(":")[2]], "Key 1 .* has no id"),
            (["a b:xx"], "Key 1 .* has no id"),
            (["k1:???"], "Key k1 .* is not base64"),
            (["k1:" + base64.b64encode(bytes(31)).decode()], "Key k1 .* has 31 bytes"),
            (["k1:" + base64.b64encode(bytes(33)).decode()], "Key k1 .* has 33 bytes"),
            ([OLD, OLD], "same id"),
            ([OLD, "again:" + OLD.partition(":")[2]], "same under two ids"),
        ],
    )
    def test_refuses_what_is_no_key(self, lines, message):
        with pytest.raises(BadEncryptionKeys, match=message):
            read_keys(lines)


@pytest.mark.django_db(transaction=True)
def test_two_first_secrets_at_once_share_one_data_key():
    project = ProjectFactory()
    barrier = threading.Barrier(2)
    envelopes: list[str] = []

    def encrypt_one() -> None:
        try:
            mine = Project.objects.get(pk=project.pk)
            barrier.wait()
            envelopes.append(encrypt(mine, "geheim", binds_to="row:1"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=encrypt_one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    project.refresh_from_db()
    assert [decrypt(project, envelope, binds_to="row:1") for envelope in envelopes] == ["geheim", "geheim"]


@pytest.mark.django_db
def test_decrypting_with_a_known_key_costs_no_query(django_assert_num_queries):
    project = ProjectFactory()
    envelope = encrypt(project, "geheim", binds_to="row:1")

    with django_assert_num_queries(0):
        decrypt(project, envelope, binds_to="row:1")


def test_remembered_keys_are_bounded():
    assert crypto._unwrap.cache_info().maxsize == 1024
