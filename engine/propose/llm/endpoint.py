"""Endpoint: one model behind litellm. Messages in, one typed reply out, whatever its server does."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeAlias

from ....population.values.origin import NOTHING, Spend
from ...config.proposers import KEYLESS, Model
from .keys import Keys
from .litellm_loader import COUNTED_AS, faults, load
from .prices import Price, price_of, spend_at

Message: TypeAlias = Mapping[str, str]
"""`role`, `content`, and "cache": "1" where the part of the prompt that stays the same ends."""

OLLAMA_CONTEXT = 16_384
"""Tokens of context to ask of Ollama, whose own default is small and cuts prompts silently."""
NEVER = 86_400.0
"""Seconds that litellm may wait: a constant, because it opens new connections for every other timeout."""
MOST_COUNT = 10**9
"""Tokens that a server may claim for one call; more is nonsense."""
MOST_LESSONS = 4


class Outcome(StrEnum):
    """How asking a model ended."""

    ANSWERED = "answered"
    EMPTY = "empty"
    """It came without text; some models spend all their tokens on reasoning."""
    TRUNCATED = "truncated"
    """It ended at the token limit; the text so far is kept."""
    REFUSED = "refused"
    """The model declined."""
    FILTERED = "filtered"
    """The provider's filter took it."""
    TIMED_OUT = "timed_out"
    """The proposal's deadline came first."""
    UNAVAILABLE = "unavailable"
    """Server or network failed, again and again."""
    REJECTED = "rejected"
    """The request itself is wrong: too long, an unknown model, a bad key. Not tried again."""
    CAPPED = "capped"
    """A cap on dollars, tokens or calls leaves no room for it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One call's end.

    `spend` is what was billed; `estimated` says that the server gave no count of tokens and we counted.
    `retry` says that trying again may help, `after` how many seconds the server asked to wait. `broken`
    speaks against the model's server, not against the request. `risked`: no answer came, but one may have
    been paid for. `dropped` are the parameters that the model refused and that were left out.
    """

    outcome: Outcome
    text: str = ""
    reason: str = ""
    spend: Spend = NOTHING
    estimated: bool = False
    retry: bool = False
    after: float | None = None
    broken: bool = False
    risked: bool = False
    dropped: tuple[str, ...] = ()


@dataclass
class Endpoint:
    """A model that can be asked. `dropped` are parameters that it is known to refuse.

    Tried again nowhere in here but for refused parameters: litellm's own retries and its SDKs' are off.
    """

    model: Model
    keys: Keys
    dropped: tuple[str, ...] = ()
    now: Callable[[], float] = field(default=time.time, kw_only=True)
    price: Callable[[Model], Price | None] = field(default=price_of, kw_only=True)

    async def complete(self, messages: Sequence[Message], grammar: str) -> Reply:
        """The model's reply, however long it takes: whoever waits may cancel at any time.

        A parameter that the model refuses is left out at once and from then on; that sticks only where
        leaving it out helped.
        """
        litellm: Any = load()
        dropped = self.dropped
        for _ in range(MOST_LESSONS + 1):
            call = self._call(messages, grammar, dropped)
            try:
                reply = self._read(await litellm.acompletion(**call), messages, dropped)
            except faults() as error:
                refused = _refused(error, call)
                if not refused:
                    return self._fault(error, self.dropped)
                dropped = (*dropped, *refused)
                continue
            # calls beside this one may have learnt of others meanwhile
            self.dropped = tuple(dict.fromkeys((*self.dropped, *dropped)))
            return reply
        return Reply(Outcome.REJECTED, reason=f"it refuses {', '.join(dropped)}", broken=True)

    def _call(self, messages: Sequence[Message], grammar: str, dropped: Sequence[str]) -> dict[str, Any]:
        """The arguments for litellm."""
        model = self.model
        call: dict[str, Any] = model.asked()
        body = dict(call.pop("extra_body", {}))
        if grammar and model.grammar:
            body["grammar"] = grammar
        if model.name.startswith(KEYLESS):
            call.setdefault("num_ctx", model.context or OLLAMA_CONTEXT)
        if "max_tokens" in dropped and "max_tokens" in call:
            call.setdefault("max_completion_tokens", call["max_tokens"])
        call = {name: value for name, value in call.items() if name not in dropped}
        if body := {name: value for name, value in body.items() if name not in dropped}:
            call["extra_body"] = body
        marks = _takes_marks(model.name) and "cache_control" not in dropped
        call |= {
            "messages": [_plain(message, marks) for message in messages],
            "timeout": NEVER,
            "num_retries": 0,
        }
        return call | self.keys.access(model)

    def _read(self, response: Any, messages: Sequence[Message], dropped: Sequence[str]) -> Reply:
        """The reply in a response. Raises one of `faults()` where it is not made as it should be."""
        choice = response.choices[0]
        message = choice.message
        text = message.content or ""
        if not isinstance(text, str):
            raise TypeError(f"expected a text for an answer, got {type(text).__name__}")
        fields = getattr(message, "provider_specific_fields", None) or {}
        refusal = str(getattr(message, "refusal", None) or fields.get("refusal") or "")
        thought = str(getattr(message, "reasoning_content", None) or "")
        spend, estimated = self._bill(getattr(response, "usage", None), messages, text + refusal + thought)
        outcome, reason = Outcome.ANSWERED, ""
        if choice.finish_reason == "content_filter":
            outcome, reason = Outcome.FILTERED, "the provider's filter took the answer"
        elif refusal:
            outcome, reason = Outcome.REFUSED, refusal
        elif choice.finish_reason == "length":
            limit = f"max_tokens = {self.model.max_tokens}"
            outcome = Outcome.TRUNCATED
            reason = f"the answer ended at its limit ({limit}), reasoning included"
        elif not text.strip():
            what = f"{len(thought)} characters of reasoning and no answer" if thought else "no text"
            outcome, reason = Outcome.EMPTY, f"the answer holds {what}"
        return Reply(outcome, text, reason, spend, estimated, dropped=tuple(dropped))

    def _bill(self, usage: Any, messages: Sequence[Message], written: str) -> tuple[Spend, bool]:
        """What the answer cost, and whether its tokens had to be counted here."""
        tokens_in, tokens_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        estimated = not tokens_in
        if estimated:
            counter = load().token_counter
            plain = [_plain(message, False) for message in messages]
            tokens_in = counter(model=COUNTED_AS, messages=plain)
            tokens_out = counter(model=COUNTED_AS, text=written) if written else 0
        cached = min(tokens_in, _count(getattr(usage, "prompt_tokens_details", None), "cached_tokens"))
        stored = min(tokens_in - cached, _count(usage, "cache_creation_input_tokens"))
        return spend_at(self.price(self.model), tokens_in, tokens_out, cached, stored), estimated

    def _fault(self, error: Exception, dropped: Sequence[str]) -> Reply:
        """The reply that an exception stands for."""
        reason = self.keys.redact(_reason(error))
        status = getattr(error, "status_code", None)
        name = type(error).__name__
        if name == "ContentPolicyViolationError":
            return Reply(Outcome.FILTERED, reason=reason, dropped=tuple(dropped))
        if name == "ContextWindowExceededError" or status in (400, 413, 422):
            return Reply(Outcome.REJECTED, reason=reason)
        if status in (401, 402, 403, 404):
            return Reply(Outcome.REJECTED, reason=reason, broken=True)
        # litellm gives lost connections and unreadable answers a status of 500 too; only a real answer of
        # the server's has headers, and only that is surely not billed
        headers = getattr(error, "litellm_response_headers", None) or {}
        after = self._seconds(headers.get("retry-after") or "")
        busy = status == 429
        return Reply(
            Outcome.UNAVAILABLE,
            reason=reason,
            retry=True,
            after=after,
            broken=not busy,
            risked=not busy and not headers,
        )

    def _seconds(self, text: str) -> float | None:
        """A Retry-After header in seconds from now, whether it holds seconds or a date; None for neither."""
        with suppress(ValueError):
            return max(0.0, float(text))
        with suppress(ValueError):
            return max(0.0, parsedate_to_datetime(text).timestamp() - self.now())
        return None


def _takes_marks(name: str) -> bool:
    """Whether the model is one whose prompt is cached where marks say so; others cache by themselves.

    Gemini is left out: there litellm turns marks into stored contexts that are billed by the hour.
    """
    return (
        "claude" in name.lower()
        and not name.startswith("openai/")
        and load().utils.supports_prompt_caching(name)
    )


def _plain(message: Message, marks: bool) -> dict[str, Any]:
    """The message as providers take it, with a cache mark at its end where it asks for one."""
    role, content = message["role"], message["content"]
    if marks and message.get("cache"):
        part = {"type": "text", "text": content, "cache_control": {"type": "ephemeral"}}
        return {"role": role, "content": [part]}
    return {"role": role, "content": content}


def _count(holder: Any, name: str) -> int:
    """A count of tokens that a server gave; 0 where it gave none or nonsense."""
    value = getattr(holder, name, None)
    return value if type(value) is int and 0 <= value <= MOST_COUNT else 0


def _refused(error: Exception, call: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters of the call that the error names; none where it is about something else."""
    context = type(error).__name__ in ("ContextWindowExceededError", "ContentPolicyViolationError")
    if context or getattr(error, "status_code", None) not in (400, 422):
        return ()
    ours = {"model", "messages", "timeout", "max_retries", "num_retries", "api_base", "api_key", "extra_body"}
    names = [*(call.keys() - ours), *call.get("extra_body", {})]
    marked = any(isinstance(message["content"], list) for message in call["messages"])
    names += ["cache_control"] * marked
    text = str(error)
    return tuple(sorted(name for name in names if re.search(rf"\b{re.escape(name)}\b", text)))


def _reason(error: Exception) -> str:
    """The error in one line, without litellm's prefixes."""
    text = " ".join(str(error).split())
    text = re.sub(r"^(?:litellm\.)?(?:\w+(?:Error|Exception): ?)+(?:\w+Exception - )?", "", text)
    return (text or type(error).__name__)[:500]
