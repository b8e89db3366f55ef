from __future__ import annotations

from config.supervisor import logs


class TestRotate:
    def test_leaves_a_small_log_alone(self, tmp_path):
        log = tmp_path / "web.log"
        log.write_text("a line\n")

        logs.rotate(log)

        assert log.read_text() == "a line\n"
        assert not (tmp_path / "web.log.1").exists()

    def test_puts_a_full_log_aside_while_its_writer_goes_on(self, tmp_path, monkeypatch):
        monkeypatch.setattr(logs, "LOG_MAX_BYTES", 10)
        log = tmp_path / "web.log"
        with log.open("ab", buffering=0) as writer:
            writer.write(b"before before\n")

            logs.rotate(log)
            writer.write(b"after\n")

        assert (tmp_path / "web.log.1").read_text() == "before before\n"
        assert log.read_text() == "after\n"

    def test_minds_no_missing_log(self, tmp_path):
        logs.rotate(tmp_path / "web.log")


class TestTail:
    def test_shows_the_last_lines(self, tmp_path):
        log = tmp_path / "web.log"
        log.write_text("".join(f"line {number}\n" for number in range(100_000)))

        assert logs.tail(log, lines=2) == "    line 99998\n    line 99999"

    def test_shows_what_is_no_text(self, tmp_path):
        log = tmp_path / "web.log"
        log.write_bytes(b"\xff\xfe broken")

        assert "broken" in logs.tail(log)

    def test_is_empty_without_a_log(self, tmp_path):
        assert logs.tail(tmp_path / "web.log") == ""
