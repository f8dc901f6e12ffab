"""What a server of chat completions says: an answer, what it cost in tokens, how long to wait; or nothing at all."""

import email.utils
import json
import time
from collections.abc import Mapping
from typing import Any

ENDED = ("eos_token", "stop_sequence")  # TGI's words for "stop"


def read_reply(reply: Any) -> dict[str, Any]:
    """The text of a chat completion and why it ended: stop, length, content_filter, refused or none (no content).

    With the tokens that the server has counted, where it says so. REPLY is the JSON, parsed unless the server calls it
    something else. Raises what Python raises where it is no chat completion.
    """
    reply = json.loads(reply) if isinstance(reply, str) else reply
    (choice,) = reply["choices"][:1]
    message, finish_reason = choice["message"], choice.get("finish_reason") or "stop"
    finish_reason = "stop" if finish_reason in ENDED else finish_reason
    content, refusal = message.get("content"), message.get("refusal")
    if refusal:
        answer = {"content": str(refusal), "finish_reason": "refused"}
    elif content is None:
        answer = {"content": "", "finish_reason": finish_reason if finish_reason != "stop" else "none"}
    elif isinstance(content, str):
        answer = {"content": content, "finish_reason": finish_reason}
    else:
        raise TypeError("content is no text")
    return answer | _read_usage(reply)


def read_refusal(error: Any) -> dict[str, Any]:
    """An HTTP ERROR that another call would not mend, as an answer: filtered or rejected, and free of charge."""
    # Azure's filter stops a prompt with a 400.
    is_filtered = error.code == "content_filter" or "content_filter" in str(error.body or "")
    usage = {"prompt_tokens": 0, "completion_tokens": 0}
    return {"content": "", "finish_reason": "content_filter" if is_filtered else "rejected", "usage": usage}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After asks for, in each of its forms (seconds, date, milliseconds); None without one."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers["retry-after"]
    except (KeyError, ValueError):
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def was_sent(error: BaseException) -> bool:
    """Whether the request that ended in ERROR may have reached the server, which then may charge for it."""
    import aiohttp

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return False
        cause = cause.__cause__ or cause.__context__
    return True


def _read_usage(reply: Mapping[str, Any]) -> dict[str, Any]:
    usage = reply.get("usage") or {}
    counted = {key: usage.get(key) for key in ("prompt_tokens", "completion_tokens")}
    return {"usage": counted} if all(isinstance(n, int) and n >= 0 for n in counted.values()) else {}
