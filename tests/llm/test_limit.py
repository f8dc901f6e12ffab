import asyncio
import time

from scripts.llm.limit import AdaptiveLimit


def run(scenario):
    return asyncio.run(scenario())


def test_never_more_than_the_limit_hold_a_place_and_they_get_it_in_the_order_asked():
    async def scenario():
        limit, order, most = AdaptiveLimit(2, start=2), [], 0

        async def hold(i):
            nonlocal most
            await limit.take()
            most = max(most, limit.n_held)
            order.append(i)
            await asyncio.sleep(0)
            limit.give_back()

        await asyncio.gather(*(hold(i) for i in range(9)))
        return order, most, limit.n_held

    assert run(scenario) == (list(range(9)), 2, 0)


def test_it_doubles_per_round_trip_until_pushed_back_then_adds_one():
    async def scenario():
        limit, seen = AdaptiveLimit(64, start=4), []
        for _ in range(2):
            for _ in range(int(limit.limit)):
                limit.answered(0.1)
            seen.append(int(limit.limit))
        limit.pushed_back(time.monotonic())
        seen.append(int(limit.limit))
        for _ in range(int(limit.limit) + 1):
            limit.answered(0.1)
        seen.append(int(limit.limit))
        return seen

    assert run(scenario) == [8, 16, 8, 9]


def test_what_was_sent_before_a_halving_does_not_halve_again():
    async def scenario():
        limit = AdaptiveLimit(64, start=32)
        sent = time.monotonic()
        await asyncio.sleep(0.01)
        for _ in range(10):
            limit.pushed_back(sent)
        first = limit.limit
        await asyncio.sleep(0.01)
        limit.pushed_back(time.monotonic())
        return first, limit.limit

    assert run(scenario) == (16, 8)


def test_it_does_not_grow_while_answers_queue_at_the_server_nor_beyond_its_most():
    async def scenario():
        limit = AdaptiveLimit(10, start=8)
        for _ in range(5):
            limit.answered(0.1)
        at_most = limit.limit
        queued = AdaptiveLimit(100, start=8)
        queued.answered(0.1)
        for _ in range(50):
            queued.answered(0.9)
        return at_most, queued.limit

    at_most, queued = run(scenario)
    assert at_most == 10
    assert queued <= 10


def test_who_gives_up_waiting_leaves_no_place_taken():
    async def scenario():
        limit = AdaptiveLimit(1, start=1)
        await limit.take()
        waiting = asyncio.ensure_future(limit.take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        limit.give_back()
        await asyncio.wait_for(limit.take(), 1)
        return limit.n_held

    assert run(scenario) == 1
