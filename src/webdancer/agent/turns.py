"""One ReAct episode of a model behind an endpoint, turn by turn.

Run by `react`, many at once; 03_distill (teachers) and 07_evaluate (the teacher's row). In: a question, a model, tools.
Out: a trajectory in the released form. Short thoughts are what an instruct model writes into its reply. Long thoughts
follow the paper: a reasoning model is shown the past actions and observations but never the past thoughts, and its
`reasoning_content` is recorded as the thought of the step. Departures from the paper:
1. hosted tool calls and loosely formed replies are brought into the protocol's form before they are stored (`settle`);
2. tool errors are observations, so that one bad call does not end an episode; several in a row can (`max_failures`);
3. an episode at the end of its budget can be asked for its answer (`force_answer`). The request, `prompts.FORCED`,
   stands at the end of the last observation, inside its tags, so that the stored episode keeps the released form; an
   answer to it is told from others by `stop="forced"`.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from webdancer.agent.llm import LLM, EndpointError
from webdancer.agent.partial import Finished
from webdancer.agent.settle import normal_form
from webdancer.core import prompts, protocol
from webdancer.core.schema import Question, Trajectory

STYLES = ("short", "long")
ERROR = "Error: "  # how an observation starts that tells of a failure, written here and by `web.tools`

_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)


class Calls(Protocol):
    """What an episode needs of the tools: `web.tools.Tools`, or a fake in a test."""

    async def call(self, name: str, arguments: dict[str, Any]) -> str: ...


@dataclass(frozen=True)
class Settings:
    """How episodes are run; the same settings and seed give the same trajectories whatever runs beside them.

    `style` is "short" or "long", `prompt_style` the head of the messages and `system` an agent's own system message
    in it (`prompts.head`), `max_turns` the most assistant turns. `max_context` is the number of tokens of prompt and
    reply at which no further call is made (0: no limit); what the model can take should be above it by an observation
    and two replies. With `force_answer` a model that gets there, or to its last turn, is asked for its answer, else
    the episode just ends. `max_failures` tool calls failing in a row end it (0: never).
    """

    style: str = "short"
    prompt_style: str = "released"
    date: str = ""
    max_turns: int = 12
    max_context: int = 0
    temperature: float = 0.7
    seed: int = 0
    force_answer: bool = False
    max_failures: int = 0
    system: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown style or a limit that leaves no room for a turn."""
        fewest = 2 if self.force_answer else 1
        if self.style not in STYLES or self.max_turns < fewest or min(self.max_context, self.max_failures) < 0:
            raise ValueError(
                f"got style {self.style!r}, {self.max_turns} turns, max_context {self.max_context}, max_failures "
                f"{self.max_failures}, wanted one of {STYLES}, at least {fewest} turns and no limit below 0"
            )


@dataclass
class _Live:
    """An episode while it runs; `asked` is the limit because of which the model was asked for its answer."""

    messages: list[dict[str, str]]
    run: Trajectory
    changes: list[str] = field(default_factory=list)
    failures: int = 0
    asked: str = ""


def shown(messages: Sequence[dict[str, str]], style: str) -> list[dict[str, str]]:
    """The messages as the teacher gets them: all of them for "short"; for "long" without any past thought."""
    if style == "short":
        return list(messages)
    hide = {"assistant": lambda text: _THINK.sub("", text, count=1).strip()}
    return [{**m, "content": hide.get(m["role"], str)(m["content"])} for m in messages]


def failed(observation: str) -> bool:
    """Whether a tool call failed: every part of its observation is an error; no results are no failure.

    >>> failed("Error: no such page."), failed("A search for 'a' found 0 results. Try other words.")
    (True, False)
    """
    return all(part.startswith(ERROR) for part in observation.split(protocol.QUERY_RULE))


async def episode(llm: LLM, question: Question, tools: Calls, settings: Settings, sample: int = 0) -> Trajectory:
    """Run one ReAct episode.

    A call with invalid JSON or an unknown tool is answered by an observation that says so. An endpoint that
    fails after its retries ends the episode with `stop="error"`; what was said so far is kept.

    Args:
        llm: the teacher.
        question: what to answer; only its text is shown to the model.
        tools: `search` and `visit`.
        settings: style, limits, temperature, seed.
        sample: which of the samples of this question; it changes the seed.

    Returns:
        The episode with its thoughts, whatever its style. `n_calls` counts the tool calls that were made, also
        bad ones.

    Raises:
        EndpointError: only if no later request can succeed either (wrong key, unknown model, budget spent).
    """
    return (await play(llm, question, tools, settings, sample)).trajectory


async def play(llm: LLM, question: Question, tools: Calls, settings: Settings, sample: int = 0) -> Finished:
    """`episode`, with what had to be mended in the replies."""
    run = Trajectory((), ((question.answer,),), tag=question.kind, question_id=question.id, hops=question.hops)
    run = replace(run, style=settings.style, sample=sample, stop="turn_cap", functions=prompts.FUNCTIONS)
    head = prompts.head(question.question, settings.date, settings.prompt_style, settings.system)
    live = _Live(head, run)
    seed = episode_seed(settings.seed, question.id, sample)
    stop = ""
    for turn in range(settings.max_turns):
        try:
            stop = await _turn(llm, live, tools, settings, seed, settings.max_turns - turn - 1)
        except EndpointError as error:
            if error.fatal:
                raise
            stop = "error"
        if stop:
            break
    run = replace(live.run, messages=tuple(live.messages), stop=stop or "turn_cap")
    return Finished(run, changes=tuple(live.changes))


async def _turn(llm: LLM, live: _Live, tools: Calls, settings: Settings, seed: int, left: int) -> str:
    """One turn and its observation, added to `live`; why the episode ends with it, "" if it goes on.

    `left` is the number of turns after this one.
    """
    sent = shown(live.messages, settings.style)
    reply = await llm.chat(sent, seed=seed, temperature=settings.temperature, stop=["<tool_response>"])
    spent = reply.prompt_tokens + reply.completion_tokens
    live.run = replace(live.run, tokens=live.run.tokens + spent, cost=live.run.cost + llm.cost(reply))
    form = normal_form(reply, settings.style)
    live.changes += form.changes
    live.messages.append({"role": "assistant", "content": form.text})
    try:
        turn = protocol.parse_turn(form.text)
    except protocol.ProtocolError as error:
        if reply.finish == "length" or "<tool_call>" not in form.text:
            return "cut" if reply.finish == "length" else "malformed"
        turn, observation = None, f"{ERROR}{error}"
    if turn and turn.answer is not None:
        live.run = replace(live.run, prediction=turn.answer.strip())
        return "forced" if live.asked else "answer"
    if live.asked:
        return live.asked
    full = 0 < settings.max_context <= spent
    if full and not settings.force_answer:
        return "context_cap"
    if not full:
        observation = observation if turn is None else await tools.call(turn.name or "", turn.arguments or {})
        live.run = replace(live.run, n_calls=live.run.n_calls + 1)
        live.failures = live.failures + 1 if failed(observation) else 0
    ended = not full and 0 < settings.max_failures <= live.failures
    if settings.force_answer and (full or left == 1) and not ended:
        live.asked = "context_cap" if full else "turn_cap"
        observation = prompts.FORCED if full else f"{observation}\n\n{prompts.FORCED}"
    live.messages.append({"role": "user", "content": protocol.render_response(observation)})
    return "tool_failures" if ended else ""


def episode_seed(seed: int, question_id: str, sample: int) -> int:
    """A seed of its own for every (question, sample), below 2**31."""
    return int(hashlib.sha256(f"{seed}-{question_id}-{sample}".encode()).hexdigest()[:8], 16) % 2**31
