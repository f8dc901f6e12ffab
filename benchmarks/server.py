"""A real HTTP server on loopback that speaks OpenAI's chat completions, and misbehaves as told.

`python -m benchmarks.server` runs it as a process of its own, which prints its address.
"""

import asyncio
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import typer
from aiohttp import web

Answer = Callable[[str], str]


@dataclass
class Fault:
    """How the server treats one call instead of answering: a status with headers, a body, a stall, a closed line."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    stall_s: float = 0.0
    drop: bool = False


class Server:
    """Answers a prompt with ANSWER(prompt) after LATENCY_S; `fault` may say otherwise for (prompt, its n-th call)."""

    def __init__(self, answer: Answer, latency_s: float = 0.0, paths: tuple[str, ...] = ("/v1/chat/completions",)):
        self.answer, self.latency_s = answer, latency_s
        self.fault: Callable[[str, int], Fault | None] = lambda prompt, n: None
        self.finish_reason = "stop"
        self.calls: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self.answered_at: deque[float] = deque(maxlen=1000)
        self.keep_requests = True
        self.n_calls = self.n_in_flight = self.most_in_flight = 0
        self._paths = paths

    def __enter__(self) -> "Server":
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        for path in self._paths:
            app.router.add_post(path, self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        self._loop.run_until_complete(site.start())
        self.port = site._server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        pending = asyncio.all_tasks(self._loop)  # stalled calls whose client has gone
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        self.n_calls += 1
        if self.keep_requests:
            self.calls[prompt] += 1
            self.requests.append({"path": request.path_qs, "headers": dict(request.headers), "body": body})
        self.n_in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.n_in_flight)
        try:
            await asyncio.sleep(self.latency_s)
            fault = self.fault(prompt, self.calls[prompt])
            if fault is not None:
                await asyncio.sleep(fault.stall_s)
                if fault.drop:
                    request.transport.abort()
                    return web.Response()
                if fault.body is not None or fault.status != 200:
                    return web.Response(status=fault.status, headers=fault.headers, text=fault.body or "{}")
            return web.json_response(completion(self.answer(prompt), body["model"], self.finish_reason))
        finally:
            self.n_in_flight -= 1
            self.answered_at.append(time.monotonic())


def completion(content: Any, model: str = "m", finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion as OpenAI's API returns it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [choice],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def serve(latency_s: float = 0.2, content: str = '{"DRUG": ["aspirin"], "PROCEDURE": ["CT head"]}') -> None:
    """Answer every prompt with CONTENT until standard input closes."""
    with Server(lambda prompt: content, latency_s) as server:
        server.keep_requests = False
        print(server.url, flush=True)
        sys.stdin.read()
        print(server.n_calls, flush=True)


if __name__ == "__main__":
    typer.run(serve)
