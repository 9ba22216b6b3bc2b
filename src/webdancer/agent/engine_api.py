"""Episodes of a policy behind an OpenAI-compatible server that returns token ids: the second engine, for a GPU.

Stages 06 and 07 can take `Server(...).run` in place of `rollout.run`: same arguments, same `Episode`s. The server is
sent token ids and asked for token ids (`/v1/completions` with `prompt` as a list of numbers and `return_token_ids`, as
vLLM has since 0.10), so that a token is never text between the server and the loss. Start one with, for example:

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve Qwen/Qwen3-8B --enable-lora --max-lora-rank 64

and give `adapter_folder`: before each run the policy's adapter is saved there and loaded by the server under a new
name (a new one, so that no key computed with older weights is taken from its prefix cache). Server and trainer compute
with other kernels: take `old_logp="trainer"` in 06, and look at `logp_gap`. Departures from the paper: none known; it
used such a server. Not run by us on a GPU; the tests drive it against a server with a tiny policy.
"""

import asyncio
import os
import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tqdm import tqdm

from webdancer.agent import judge, lora, tokens
from webdancer.agent import slots as acts
from webdancer.agent.episode import Episode, Limits
from webdancer.core import prompts


class EngineError(RuntimeError):
    """The server cannot be used for training; the message says what it answered, and what was wanted."""


@dataclass
class Server:
    """A server of completions.

    endpoint: address up to `/v1`. model: the name the server knows the policy by (with `adapter_folder`: its base).
    adapter_folder: on a disk that the server reads too, empty for a server whose weights are the policy's already.
    key_env: environment variable with the key, if it wants one. timeout: seconds a request. retries: of a request that
    failed on its way or with 429 or 5xx, with pauses of 1, 2, 4 ... seconds times `pause`.
    """

    endpoint: str
    model: str
    adapter_folder: str = ""
    key_env: str = "OPENAI_API_KEY"
    timeout: float = 600.0
    retries: int = 4
    pause: float = 1.0
    loads: int = field(default=0, init=False)  # adapters handed over so far

    def run(
        self,
        policy: Any,
        questions: Sequence[Any],
        tools: Any,
        *,
        samples: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_turns: int = 12,
        max_tokens: int = 1024,
        max_turn_tokens: int = 160,
        slots: int = 64,
        seed: int = 0,
        date: str = "",
        prompt_style: str = "brief",
        progress: str = "",
    ) -> list[Episode]:
        """Sample `samples` episodes for each question; arguments and result as those of `rollout.run`.

        `policy` gives the tokenizer, and the adapter where there is an `adapter_folder`. Token ids, mask and
        log-probabilities are the server's. The seed fixes the requests; whether a server repeats itself is its affair.

        Raises:
            EngineError: it cannot be reached, refuses a request, or returns no token ids or log-probabilities.
        """
        limits = Limits(temperature, top_p, max_turns, max_tokens, max_turn_tokens)
        heads = {q.id: prompts.head(q.question, date, prompt_style) for q in questions}
        episodes = [Episode(q.id, s, list(heads[q.id]), [], [], []) for q in questions for s in range(samples)]
        with (
            tqdm(total=len(episodes), desc=progress, disable=not progress, mininterval=10) as bar,
            ThreadPoolExecutor(1) as thread,  # a notebook has an event loop of its own in this one
        ):
            thread.submit(asyncio.run, self._all(policy, tools, episodes, limits, slots, seed, bar)).result()
        return episodes

    async def _all(
        self, policy: Any, tools: Any, episodes: list[Episode], limits: Limits, slots: int, seed: int, bar: Any
    ) -> None:
        key = os.environ.get(self.key_env, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        room = asyncio.Semaphore(max(1, slots))
        async with httpx.AsyncClient(base_url=self.endpoint.rstrip("/"), headers=headers, timeout=self.timeout) as http:
            name = await self._hand_over(http, policy) if self.adapter_folder else self.model

            async def play(episode: Episode) -> None:
                async with room:
                    await self._play(http, name, policy, tools, episode, limits, seed)
                bar.update(1)

            await asyncio.gather(*map(play, episodes))

    async def _hand_over(self, http: httpx.AsyncClient, policy: Any) -> str:
        """Save the adapter as it is now and let the server load it; returns its name."""
        if not lora.is_lora(policy.model):
            raise ValueError(
                "got adapter_folder and a policy without adapters, wanted one with (lora_rank above 0): a server "
                "cannot be handed whole weights between two runs"
            )
        older, self.loads = f"policy-{self.loads}", self.loads + 1
        folder = Path(self.adapter_folder).absolute() / f"policy-{self.loads}"
        policy.model.save_pretrained(folder)
        await self._post(http, "/load_lora_adapter", {"lora_name": folder.name, "lora_path": str(folder)})
        if self.loads > 1:
            await self._post(http, "/unload_lora_adapter", {"lora_name": older})
            shutil.rmtree(folder.with_name(older), ignore_errors=True)
        return folder.name

    async def _play(
        self, http: Any, name: str, policy: Any, tools: Any, episode: Episode, limits: Limits, seed: int
    ) -> None:
        """One episode, turn by turn."""
        acts.append(episode, tokens.render(policy.tokenizer, episode.messages, generate=True).ids, written=False)
        while not episode.stop:
            room = limits.max_tokens - len(episode.ids)
            if room <= 0:
                episode.stop = "context_cap"
                break
            most = min(room, limits.max_turn_tokens)
            ids, logp, ended = await self._turn(http, name, policy.end, episode, limits, most, seed)
            acts.append(episode, ids, written=True, logp=logp)
            said = policy.tokenizer.decode(ids[:-1] if ended else ids)
            if not ended:
                acts.cut(episode, said, turn=most == limits.max_turn_tokens)
                break
            call = acts.end_turn(episode, said, limits)
            if call is not None:
                (text,) = await asyncio.to_thread(acts.observe, tools, [call])
                acts.hear(episode, text, tokens.bridge(policy.tokenizer, text), limits)
        episode.format_ok = episode.stop == "answer" and judge.format_ok(episode.messages)

    async def _turn(
        self, http: Any, name: str, end: int, episode: Episode, limits: Limits, most: int, seed: int
    ) -> tuple[list[int], list[float], bool]:
        """Ids and log-probabilities of the next turn, and whether it ended by itself."""
        stream = random.Random(f"{seed}-{episode.question_id}-{episode.sample}-{episode.turns}")
        body = {
            "model": name,
            "prompt": episode.ids,
            "max_tokens": most,
            "temperature": limits.temperature,
            "top_p": limits.top_p,
            "seed": stream.getrandbits(31),
            "stop_token_ids": [end],
            "logprobs": 0,
            "return_token_ids": True,
        }
        answer = await self._post(http, "/completions", body)
        choice = answer["choices"][0]
        ids, logp = choice.get("token_ids"), (choice.get("logprobs") or {}).get("token_logprobs")
        if not ids or not logp or len(ids) != len(logp) or None in logp:
            raise EngineError(
                f"the server at {self.endpoint} returned {len(ids or ())} token ids and {len(logp or ())} "
                "log-probabilities, wanted as many, one each for every token: training needs both; use a server that "
                "knows return_token_ids (vLLM 0.10 or newer)"
            )
        sent = choice.get("prompt_token_ids") or answer.get("prompt_token_ids")
        if sent is not None and list(sent) != episode.ids:
            raise EngineError(
                f"the server at {self.endpoint} read a prompt of {len(sent)} tokens where {len(episode.ids)} were "
                "sent: it adds or changes tokens; its prompts must stay as they are sent"
            )
        ended = ids[-1] == end
        if choice.get("finish_reason") == "stop" and not ended:
            raise EngineError(
                f"the server at {self.endpoint} ended a turn with token {ids[-1]}, wanted {end}, the end of a turn of "
                "the policy's tokenizer, among its token ids: is it the same model, with the same tokenizer?"
            )
        return list(ids), [float(p) for p in logp], ended

    async def _post(self, http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
        """The JSON that a request brings; "" if it brings none. Tries again where that can help."""
        wrong = ""
        for attempt in range(self.retries + 1):
            if attempt:
                await asyncio.sleep(self.pause * 2 ** (attempt - 1))
            try:
                reply = await http.post(path, json=body)
            except httpx.TransportError as error:
                wrong = f"{type(error).__name__}: {error}"
                continue
            if reply.status_code == 200:
                return reply.json() if "json" in reply.headers.get("content-type", "") else ""
            wrong = f"HTTP {reply.status_code}: {reply.text[:200]}"
            if reply.status_code != 429 and reply.status_code < 500:
                break
        raise EngineError(f"{self.endpoint}{path} failed: {wrong}; is the server up, and is {body.get('model')!r} its?")
