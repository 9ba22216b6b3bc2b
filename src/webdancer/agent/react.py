"""An endpoint as agent: ReAct episodes, one or many at once.

Used by 03_distill (teachers) and 07_evaluate (the teacher's row). In: questions, a model, tools; out:
trajectories in the released form. Short thoughts are what an instruct model writes into its reply. Long
thoughts follow the paper: a reasoning model is shown the past actions and observations but never the past
thoughts, and its `reasoning_content` is recorded as the thought of the step. Departures from the paper: hosted
tool calls and loosely formed replies are brought into the protocol's form before they are stored, and tool
errors are observations, so that one bad call does not end an episode.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from webdancer.agent.llm import LLM, EndpointError, Reply, wait
from webdancer.core import prompts, protocol
from webdancer.core.schema import Question, Trajectory, from_row, to_row

STYLES = ("short", "long")
GIVE_UP = 20  # failed episodes in a row after which a run is called off

_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ACTION = re.compile(r"<(tool_call|answer)>(.*?)</\1>", re.DOTALL)
_TAG = re.compile(rf"<(/?(?:{'|'.join(protocol.TAGS)}))>")


class Calls(Protocol):
    """What an episode needs of the tools: `web.tools.Tools`, or a fake in a test."""

    async def call(self, name: str, arguments: dict[str, Any]) -> str: ...


@dataclass(frozen=True)
class Settings:
    """How episodes are run; the same settings and seed give the same trajectories whatever runs beside them.

    `style` is "short" or "long", `prompt_style` the head of the messages (`prompts.head`), `max_turns` the most
    assistant turns, `max_context` the most tokens of prompt and reply (0: no limit).
    """

    style: str = "short"
    prompt_style: str = "released"
    date: str = ""
    max_turns: int = 12
    max_context: int = 0
    temperature: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown style or a limit below 1 turn."""
        if self.style not in STYLES or self.max_turns < 1:
            raise ValueError(
                f"got style {self.style!r} and {self.max_turns} turns, wanted one of {STYLES} and at least 1 turn"
            )


def settle(reply: Reply, style: str) -> str:
    """The assistant turn of a reply, in the protocol's form as far as the reply allows.

    Thought: for "short" the `<think>` block, else the reasoning, else the text before the action; for "long"
    the reasoning first. Action: the first `<tool_call>` or `<answer>` of the content (text behind it, say an
    invented observation, goes), else the first hosted tool call. JSON that can be read is written again in the
    canonical way; the rest is kept as it came.

    Args:
        reply: what the model said.
        style: "short" or "long".

    Returns:
        Text for `protocol.parse_turn`; it parses unless the model left out the action or wrote invalid JSON.
    """
    think = _THINK.search(reply.content)
    rest = reply.content[think.end() :] if think else reply.content
    action = _ACTION.search(rest)
    if action is None and reply.calls:
        call = reply.calls[0]
        block = f'<tool_call>{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}</tool_call>'
        rest, action = rest + block, _ACTION.search(block)
    spoken = think[1] if think else rest[: rest.find("<")] if action and "<" in rest else ""
    sources = (reply.reasoning, spoken) if style == "long" else (spoken, reply.reasoning)
    thought = _TAG.sub(r"&lt;\1>", next((s.strip() for s in sources if s.strip()), ""))
    head = f"<think>\n{thought}\n</think>\n" if thought or action else ""
    text = head + (_action(action[1], action[2].strip()) if action else rest.strip())
    return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair fits into no file


def _action(tag: str, inside: str) -> str:
    """The action block with canonical JSON if it is a call that can be read."""
    if tag == "tool_call":
        try:
            name, arguments = protocol.parse_call(inside)
            inside = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        except protocol.ProtocolError:
            pass
    return f"<{tag}>\n{inside}\n</{tag}>"


def shown(messages: Sequence[dict[str, str]], style: str) -> list[dict[str, str]]:
    """The messages as the teacher gets them: all of them for "short"; for "long" without any past thought."""
    if style == "short":
        return list(messages)
    hide = {"assistant": lambda text: _THINK.sub("", text, count=1).strip()}
    return [{**m, "content": hide.get(m["role"], str)(m["content"])} for m in messages]


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
        EndpointError: only if no later request can succeed either (wrong key, unknown model).
    """
    messages = prompts.head(question.question, settings.date, settings.prompt_style)
    run = Trajectory((), ((question.answer,),), tag=question.kind, question_id=question.id, hops=question.hops)
    run = replace(run, style=settings.style, sample=sample, stop="turn_cap", functions=prompts.FUNCTIONS)
    seed = episode_seed(settings.seed, question.id, sample)
    for _ in range(settings.max_turns):
        try:
            run = await _turn(llm, messages, tools, settings, seed, run)
        except EndpointError as error:
            if error.fatal:
                raise
            run = replace(run, stop="error")
        if run.stop != "turn_cap":
            break
    return replace(run, messages=tuple(messages))


async def _turn(
    llm: LLM, messages: list[dict[str, str]], tools: Calls, settings: Settings, seed: int, run: Trajectory
) -> Trajectory:
    """One turn and its observation, added to `messages`; the run so far with its counts, its `stop` set if it ended."""
    sent = shown(messages, settings.style)
    reply = await llm.chat(sent, seed=seed, temperature=settings.temperature, stop=["<tool_response>"])
    spent = reply.prompt_tokens + reply.completion_tokens
    run = replace(run, tokens=run.tokens + spent, cost=run.cost + llm.cost(reply))
    text = settle(reply, settings.style)
    messages.append({"role": "assistant", "content": text})
    try:
        turn = protocol.parse_turn(text)
    except protocol.ProtocolError as error:
        if reply.finish == "length" or "<tool_call>" not in text:
            return replace(run, stop="cut" if reply.finish == "length" else "malformed")
        turn, observation = None, f"Error: {error}"
    if turn and turn.answer is not None:
        return replace(run, stop="answer", prediction=turn.answer.strip())
    if 0 < settings.max_context <= spent:
        return replace(run, stop="context_cap")
    if turn:
        observation = await tools.call(turn.name or "", turn.arguments or {})
    messages.append({"role": "user", "content": protocol.render_response(observation)})
    return replace(run, n_calls=run.n_calls + 1)


def episode_seed(seed: int, question_id: str, sample: int) -> int:
    """A seed of its own for every (question, sample), below 2**31."""
    return int(hashlib.sha256(f"{seed}-{question_id}-{sample}".encode()).hexdigest()[:8], 16) % 2**31


def many(
    llm: LLM,
    questions: Sequence[Question],
    tools: Calls,
    settings: Settings | None = None,
    *,
    samples: int = 1,
    partial: Path | None = None,
    progress: bool = True,
) -> list[Trajectory]:
    """Run `samples` episodes of every question, `llm.concurrency` at once.

    Args:
        llm, questions, tools, settings: as for `episode`.
        samples: episodes a question.
        partial: a file to which every finished episode is appended at once. Episodes found there are not run
            again, unless they had ended in an endpoint error. The name should hold a hash of what the episodes
            depend on; the caller removes the file in the end.
        progress: draw a tqdm bar.

    Returns:
        The trajectories, samples of a question side by side, in the order of the questions.

    Raises:
        ValueError: two questions share an id, or there are none.
        EndpointError: the endpoint refuses every request, or `GIVE_UP` episodes in a row failed; finished ones
            stay in `partial`.
    """
    settings = settings or Settings()
    if not questions or len({q.id for q in questions}) < len(questions) or samples < 1:
        raise ValueError(
            f"got {len(questions)} questions, {samples} samples: wanted at least one of each, and every id once"
        )
    done = read_partial(partial)
    jobs = [(q, s) for q in questions for s in range(samples)]
    todo = [(q, s) for q, s in jobs if (q.id, s) not in done]
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc=settings.style, mininterval=5, disable=not progress)
    with bar:
        wait(_work(llm, iter(todo), tools, settings, done, partial, bar))
    return [done[q.id, s] for q, s in jobs]


async def _work(
    llm: LLM,
    todo: Iterator[tuple[Question, int]],
    tools: Calls,
    settings: Settings,
    done: dict[tuple[str, int], Trajectory],
    partial: Path | None,
    bar: tqdm,
) -> None:
    """Fill `done`: `llm.concurrency` workers take from one iterator."""

    async def worker() -> None:
        for question, sample in todo:
            finished = await episode(llm, question, tools, settings, sample)
            done[question.id, sample] = finished
            _append(partial, finished)
            bar.update()
            failed.append(finished.stop == "error")
            if len(failed) >= GIVE_UP and all(failed[-GIVE_UP:]):
                why = getattr(llm, "last_error", "")
                text = f"{GIVE_UP} episodes in a row ended in an endpoint error, the last one: {why}."
                raise EndpointError(f"{text} Run again to go on from the {len(done)} episodes that are kept.")

    failed: list[bool] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(llm.concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _append(partial: Path | None, trajectory: Trajectory) -> None:
    """Add one line to the file of finished episodes."""
    if partial is not None:
        with partial.open("a", encoding="utf-8") as out:
            out.write(json.dumps(to_row(trajectory), ensure_ascii=False) + "\n")


def read_partial(path: Path | None) -> dict[tuple[str, int], Trajectory]:
    """The episodes of an interrupted run by (question id, sample); lines cut short and episodes that ended in
    an error are left out.
    """
    found: dict[tuple[str, int], Trajectory] = {}
    if path is None or not path.is_file():
        return found
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        with path.open("a", encoding="utf-8") as out:
            out.write("\n")
    for line in filter(str.strip, text.split("\n")):
        try:
            row = from_row(json.loads(line), Trajectory)
        except ValueError:
            continue
        if row.stop != "error":
            found[row.question_id, row.sample] = row
    return found


def partial_path(final: Path, llm: LLM, settings: Settings, questions: Sequence[Question]) -> Path:
    """A name beside `final` that changes with model, settings and questions, so that no run resumes from
    another one's episodes.
    """
    what = json.dumps([llm.model, llm.max_tokens, asdict(settings), [(q.id, q.question) for q in questions]])
    return final.with_name(f"{final.stem}.{settings.style}.{hashlib.sha256(what.encode()).hexdigest()[:8]}.partial")
