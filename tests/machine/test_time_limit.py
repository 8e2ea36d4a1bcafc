"""A time limit ends the block that it is set on, and nothing else."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pytest

from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit

SOON = 0.05


def sleep():
    time.sleep(600)


def spin():
    while True:
        pass


def swallow():
    while True:
        with contextlib.suppress(Exception):
            time.sleep(600)


@pytest.mark.parametrize("block", [sleep, spin, swallow])
def test_a_block_is_ended(block):
    with pytest.raises(TimeLimitExceeded), time_limit(SOON):
        block()


def test_a_block_outside_the_main_thread_is_ended():
    ended = []

    def work():
        try:
            with time_limit(SOON):
                while True:
                    time.sleep(0.001)
        except TimeLimitExceeded:
            ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


@pytest.mark.parametrize("seconds", [None, 0, 600])
def test_a_block_that_is_done_in_time_is_left_alone(seconds):
    with time_limit(seconds):
        result = 5
    assert result == 5


def test_an_exception_of_the_block_comes_out():
    with pytest.raises(ArithmeticError), time_limit(600):
        raise ArithmeticError


def test_the_signal_handler_is_put_back():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(600):
        assert signal.getsignal(signal.SIGALRM) is not before
    with pytest.raises(TimeLimitExceeded), time_limit(SOON):
        sleep()
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_limit_touches_no_signal():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(None):
        assert signal.getsignal(signal.SIGALRM) is before


def test_no_timer_outlives_its_block():
    before = set(threading.enumerate())
    with time_limit(600):
        (timer,) = set(threading.enumerate()) - before
    timer.join(timeout=60)
    assert not timer.is_alive()


def test_an_alarm_of_somebody_else_is_handed_on():
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    try:
        with time_limit(600):
            signal.raise_signal(signal.SIGALRM)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


def test_a_block_that_catches_everything_is_ended_by_the_next_delivery(monkeypatch):
    monkeypatch.setattr("pytest_optbench.machine.time_limit.REPEAT_SECONDS", 0.05)

    def stubborn():
        with contextlib.suppress(BaseException):
            while True:
                sum(range(1000))
        while True:
            sum(range(1000))

    with pytest.raises(TimeLimitExceeded), time_limit(0.05):
        stubborn()
