import asyncio
import time

from scripts.llm.loop import PausingLoop, now, run


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
    loop, due = PausingLoop(), []
    loop.call_later(0.05, due.append, True)
    time.sleep(0.1)
    loop.run_until_complete(asyncio.sleep(0))
    assert not due
    loop.run_until_complete(asyncio.sleep(0.06))
    assert due
    loop.close()
