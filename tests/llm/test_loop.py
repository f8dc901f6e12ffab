import asyncio
import gc
import threading
import time

import pytest

from scripts.llm import loop
from scripts.llm.loop import PausingLoop, call_off, now, run, start


def test_the_clock_stands_still_while_the_loop_does_not_run():
    before = now()
    time.sleep(0.05)
    assert now() == before
    start = time.monotonic()
    run(asyncio.sleep(0.02))
    assert 0.02 <= now() - before <= time.monotonic() - start


def test_what_was_started_goes_on_with_the_next_call():
    done = []

    async def start():
        async def work():
            await asyncio.sleep(0.01)
            done.append("work")

        return asyncio.create_task(work())

    task = run(start())
    assert not task.done()
    run(asyncio.sleep(0.03))
    assert done == ["work"]


def test_a_timer_that_was_due_in_the_pause_gives_way_to_what_has_come():
    ours, due = PausingLoop(), []
    ours.call_later(0.05, due.append, True)
    time.sleep(0.1)
    ours.run_until_complete(asyncio.sleep(0))
    assert not due
    ours.run_until_complete(asyncio.sleep(0.06))
    assert due
    ours.close()


def test_ctrl_c_between_the_end_of_a_call_and_the_loop_s_stop_stops_no_later_call():
    def interrupt():
        raise KeyboardInterrupt

    async def interrupted():
        asyncio.get_running_loop().call_soon(interrupt)  # this returns first, and the loop stops only afterwards

    async def slow():
        for _ in range(5):
            await asyncio.sleep(0)
        return 2

    with pytest.raises(KeyboardInterrupt):
        run(interrupted())
    assert [run(slow()), run(slow())] == [2, 2]


def test_garbage_that_is_collected_while_a_call_begins_is_called_off_with_it(monkeypatch):
    left, answers = start([asyncio.sleep(60)]), []
    complete = loop._complete

    def complete_and_collect(work):
        call_off(left)  # as a generator does that was interrupted, and is collected just now
        return complete(work)

    monkeypatch.setattr(loop, "_complete", complete_and_collect)
    call = threading.Thread(target=lambda: answers.append(run(asyncio.sleep(0, "on"))), daemon=True)
    call.start()
    call.join(10)
    assert answers == ["on"] and left[0].cancelled()


def test_a_task_that_meets_ctrl_c_says_nothing_of_it_and_the_loop_goes_on(caplog):
    async def meet():
        raise KeyboardInterrupt

    async def start():
        await asyncio.gather(asyncio.create_task(meet()))

    with pytest.raises(KeyboardInterrupt):
        run(start())
    gc.collect()
    assert run(asyncio.sleep(0, "on")) == "on"
    assert not caplog.records


def test_an_error_of_the_work_is_raised_once(caplog):
    async def fail():
        raise RuntimeError("of the work")

    with pytest.raises(RuntimeError, match="of the work"):
        run(fail())
    assert not caplog.records
