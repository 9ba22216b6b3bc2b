"""Our ReAct protocol as a verl agent loop: the same episode, token for token, as `agent.rollout` plays.

verl (0.9) imports it in its rollout workers, through `agent_loop.yaml` of an export (`scale.verl_export`). In: the
messages that open an episode, a sampler of token ids, tools. Out: prompt, response, mask and log-probabilities. Prompt
and observations are tokenised by `tokens.render` and `tokens.bridge`, and turns are read by `agent.slots`: verl's own
tokenisation, tool parser and cut of tool replies are not used. Departures from the paper: none known; it does not say
how episodes are laid out in verl. Differences from verl's own tool loop:
1. a malformed call is answered by an error message and the episode goes on; a turn with neither call nor answer ends
   it;
2. the limit on tokens is one of the whole episode, prompt and observations included, as in `episode.Limits`;
3. with `overlong_filter` an episode that a limit cut off has an empty mask: it counts in its group, and is not trained.
"""

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from webdancer.agent import judge, tokens
from webdancer.agent import slots as acts
from webdancer.agent.episode import Episode, Limits

if importlib.util.find_spec("verl"):
    from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput, register
else:  # what needs no verl is used and tested without it
    AgentLoopBase, AgentLoopOutput, register = object, dict, lambda name: lambda made: made

NAME = "webdancer"  # of the loop in verl, and of what it says about an episode to the reward
# From (ids so far, most new ones) to new ids and their log-probabilities; None if the engine gives none.
Sample = Callable[[list[int], int], Awaitable[tuple[list[int], list[float] | None]]]
_WHOLE = (
    {"role": "user", "content": "?"},
    {"role": "assistant", "content": "<think>\nA first thought.\n</think>\n<answer>\nb\n</answer>"},
    {"role": "user", "content": "<tool_response>\nc\n</tool_response>"},
    {"role": "assistant", "content": "<think>\nAnother one.\n</think>\n<answer>\ne\n</answer>"},
)


async def play(
    sample: Sample, tokenizer: Any, messages: Sequence[dict[str, str]], tools: Any, limits: Limits
) -> tuple[Episode, int, float]:
    """One episode, turn by turn.

    Args:
        sample: the engine; it must stop at `tokenizer.eos_token_id` and return it.
        messages: what opens the episode (`prompts.head`). tools: as in `rollout.run`. limits: of turns and tokens.

    Returns:
        The episode, how many of its tokens are the prompt's, and the seconds spent in tools.

    Raises:
        ValueError: the chat template changes messages; the prompt leaves no room; a turn of the engine ends with
            another token than the tokenizer's end of turn.
    """
    tokens.render(tokenizer, _WHOLE)  # raises if the template would drop a thought
    episode = Episode("", 0, [{"role": m["role"], "content": m["content"]} for m in messages], [], [], [])
    acts.append(episode, tokens.render(tokenizer, episode.messages, generate=True).ids, written=False)
    prompt, waited = len(episode.ids), 0.0
    if prompt >= limits.max_tokens:
        raise ValueError(
            f"got a prompt of {prompt} tokens and max_tokens={limits.max_tokens}, wanted room for an answer: raise "
            "MAX_TOKENS in launch.sh, or leave the question out"
        )
    while not episode.stop:
        most = min(limits.max_tokens - len(episode.ids), limits.max_turn_tokens)
        ids, logp = await sample(list(episode.ids), most)
        ended = _ended(ids, logp, most, tokenizer.eos_token_id)
        acts.append(episode, ids, written=True, logp=logp or ())
        said = tokenizer.decode(ids[:-1] if ended else ids)
        if not ended:
            acts.cut(episode, said, turn=most == limits.max_turn_tokens)
            break
        call = acts.end_turn(episode, said, limits)
        if call is not None:
            started = time.perf_counter()
            (text,) = await asyncio.to_thread(acts.observe, tools, [call])
            waited += time.perf_counter() - started
            acts.hear(episode, text, tokens.bridge(tokenizer, text), limits)
    episode.format_ok = episode.stop == "answer" and judge.format_ok(episode.messages)
    return episode, prompt, waited


def _ended(ids: Sequence[int], logp: Sequence[float] | None, most: int, end: int) -> bool:
    """Whether a turn ended by itself; `ValueError` if the engine did something else than go on to the end or limit."""
    if not ids or len(ids) > most or (logp is not None and len(logp) != len(ids)):
        raise ValueError(f"the engine returned {len(ids)} tokens, wanted 1 to {most}, with a log-probability each")
    if ids[-1] == end or len(ids) == most:
        return ids[-1] == end
    raise ValueError(
        f"the engine ended a turn after {len(ids)} of {most} tokens with token {ids[-1]}, wanted {end}, the end of a "
        "turn of the tokenizer: is it the same model, and was the request not aborted?"
    )


def told(episode: Episode) -> dict[str, Any]:
    """What the loop knows of an episode and the reward needs: it saw which observations were real."""
    names = ("prediction", "stop", "format_ok", "n_calls", "turns")
    return {name: getattr(episode, name) for name in names} | {"truncated": episode.truncated}


def response(episode: Episode, prompt: int, overlong_filter: bool) -> dict[str, Any]:
    """The fields of verl's `AgentLoopOutput` that hold tokens; ids, mask and log-probabilities of equal length."""
    mask = [int(written) for written in episode.mask[prompt:]]
    return {
        "prompt_ids": episode.ids[:prompt],
        "response_ids": episode.ids[prompt:],
        "response_mask": [0] * len(mask) if overlong_filter and episode.truncated else mask,
        "response_logprobs": episode.logp[prompt:],
        "num_turns": sum(m["role"] != "system" for m in episode.messages),
    }


@register(NAME)
class WebDancerLoop(AgentLoopBase):
    """The loop as verl makes it, one for each episode.

    Args:
        tools: verl's wrapped list of function tools, those of the exported `tools.py`. The rest is verl's too.

    Raises:
        ValueError: the tools are others, or the configuration has no `webdancer.max_turns`, `max_tokens`,
            `max_turn_tokens` (as in `episode.Limits`) and `overlong_filter` (as in `dapo_batch.Settings`).
    """

    def __init__(self, *args: Any, tools: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except ValueError:  # verl's tokenisation for this family of models wants words that a tiny policy has not got;
            super().__init__(*args, **kwargs | {"hf_model_type": None})  # it is not used here: the general one will do
        wanted = dict(self.config.get(NAME) or {})
        if set(wanted) != {"max_turns", "max_tokens", "max_turn_tokens", "overlong_filter"}:
            raise ValueError(
                f"got +{NAME}. flags for {sorted(wanted) or 'nothing'}, wanted max_turns, max_tokens, max_turn_tokens "
                "and overlong_filter, as in launch.sh"
            )
        self.overlong_filter = wanted.pop("overlong_filter")
        self.limits = Limits(**wanted)
        self.tools = next((t.fn.tools for t in getattr(tools, "tools", ()) if hasattr(t.fn, "tools")), None)
        if self.tools is None:
            raise ValueError(
                "got no tools made by webdancer.scale.verl_tools, wanted those of the exported tools.py: set "
                "actor_rollout_ref.rollout.multi_turn.function_tool_path to that file"
            )

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Play the episode of a row of the parquet; `raw_prompt` holds the messages that open it."""
        request, started = uuid4().hex, time.perf_counter()
        told_by_engine: dict[str, Any] = {}
        preempted: list[int] = []

        async def sample(ids: list[int], most: int) -> tuple[list[int], list[float] | None]:
            wanted = {**sampling_params, "max_tokens": most, "stop_token_ids": [self.tokenizer.eos_token_id]}
            said = await self.server_manager.generate(request_id=request, prompt_ids=ids, sampling_params=wanted)
            newest = said.extra_fields.get("max_global_steps")  # the weights may change between two turns
            told_by_engine.update({**said.extra_fields, **told_by_engine})
            if newest is not None:
                told_by_engine["max_global_steps"] = newest
            preempted.append(said.num_preempted or 0)
            return list(said.token_ids), said.log_probs or None

        messages = [dict(m) for m in row["raw_prompt"]]
        episode, prompt, waited = await play(sample, self.tokenizer, messages, self.tools, self.limits)
        fields = response(episode, prompt, self.overlong_filter)
        if not sampling_params.get("logprobs"):
            fields["response_logprobs"] = None
        spent = time.perf_counter() - started
        return AgentLoopOutput(
            **fields,
            metrics={"generate_sequences": spent - waited, "tool_calls": waited, "num_preempted": sum(preempted)},
            extra_fields={**told_by_engine, "turn_scores": [], "tool_rewards": [], NAME: told(episode)},
        )
