from __future__ import annotations

import argparse

import pytest

from config.supervisor.options import Options, add_arguments


def parse(*arguments: str) -> Options:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Options(**vars(parser.parse_args(arguments)))


class TestOptions:
    def test_start_small_and_for_this_machine_alone(self):
        assert parse() == Options(host="127.0.0.1", port=8000, workers=2, demo=False)

    @pytest.mark.parametrize(
        ("argument", "value", "message"),
        [
            ("--port", "70000", "between 0 and 65535"),
            ("--port", "-1", "between 0 and 65535"),
            ("--port", "http", "invalid port value"),
            ("--workers", "0", "at least 1"),
        ],
    )
    def test_refuse_what_makes_no_sense(self, capsys, argument, value, message):
        with pytest.raises(SystemExit):
            parse(f"{argument}={value}")

        assert message in capsys.readouterr().err
