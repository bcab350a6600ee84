# SPDX-License-Identifier: GPL-3.0-or-later
"""conftest - one suite for all tests of a pytest worker; those that break things start their own."""
import contextlib
import sys

import pytest

sys.dont_write_bytecode = True

import network  # noqa: E402
from federation import Lab, Ours  # noqa: E402
from helpers import Suite  # noqa: E402
from internet import NotPossible  # noqa: E402

USERS = 500


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


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A small internet of the module's own."""
    try:
        with contextlib.closing(Lab(tmp_path_factory.mktemp("lab"))) as it:
            yield it
    except NotPossible as error:
        pytest.skip(f"no network of our own: {error}")


@pytest.fixture(scope="module")
def ours(lab, tmp_path_factory):
    """Our suite in it."""
    it = Ours(lab, tmp_path_factory.mktemp("ours") / "s")
    yield it
    it.stop()


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three servers of one network, of the module's own."""
    try:
        with contextlib.closing(network.Lab(tmp_path_factory.mktemp("three"))) as it:
            yield it
            it.stop_members()
    except NotPossible as error:
        pytest.skip(f"no network of our own: {error}")
