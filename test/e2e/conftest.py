# SPDX-License-Identifier: GPL-3.0-or-later
"""conftest - one suite for all tests of a pytest worker; those that break things start their own."""
import sys

import pytest

sys.dont_write_bytecode = True

from helpers import Suite  # noqa: E402

USERS = 120


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    it = Suite(tmp_path_factory.mktemp("suite") / "s", "--users", str(USERS))
    yield it
    it.stop()


@pytest.fixture
def new_suite(tmp_path):
    """Starts suites of the test's own; the options are test/suite's."""
    started = []

    def start(*options):
        started.append(Suite(tmp_path / f"s{len(started)}", *options))
        return started[-1]

    yield start
    for it in started:
        it.stop()
