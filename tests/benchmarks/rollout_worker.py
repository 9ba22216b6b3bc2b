"""One measured run for bench_rollouts, bench_dapo_step and bench_decode, in a process of its own.

    python rollout_worker.py WHAT ARTIFACTS OPTIONS      prints one line, RESULT {...}

WHAT is `ours_step`, `peer_step`, `ours_decode` or `peer_decode`; ARTIFACTS the folder that 01 to 05 left (pages,
questions, `sft/`); OPTIONS a JSON object. A step gives the times of its rollouts and of its updates.

The peer is TRL's GRPOTrainer in environment mode: the same model, prompts, tools, limits and sampling. Its tokenizer
gets a template that lays out a tool's reply as ours does, and a parser of our protocol, so that both play the same
episodes; neither is a handicap, for the parser is a fraction of the time of TRL's own.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from webdancer import dapo_batch, dapo_update
from webdancer.agent import policy, rollout, workers
from webdancer.core import machine, prompts, protocol
from webdancer.core.schema import Page, Question, read_jsonl
from webdancer.web import toolbox

TOOLS = {
    "search_results": 2, "snippet_words": 14, "max_observation_chars": 1200, "search_engine": "", "live_visits": False,
    "contact": "", "recording": "", "recording_mode": "record",
}  # fmt: skip
# As our own template, with the call of an assistant and the reply of a tool as messages of the kinds that TRL makes.
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'tool' %}<|user|><tool_response>\n{{ m['content'] }}\n</tool_response>"
    "{% else %}<|{{ m['role'] }}|>{{ m['content'] }}{% if m.get('tool_calls') and '<tool_call>' not in m['content'] %}"
    "{{ m['tool_calls'] | tojson }}{% endif %}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tools_of(folder: Path) -> Any:
    """The tools over the pages of the practice web and the training web."""
    names = [n for n in ("rl", "train") if (folder / f"pages_{n}.jsonl").is_file()]
    pages = [page for name in names for page in read_jsonl(folder / f"pages_{name}.jsonl", Page)]
    return toolbox.build(pages, TOOLS, None)


def questions_of(folder: Path, count: int) -> list[Question]:
    """The first `count` questions to practise on."""
    return [q for q in read_jsonl(folder / "questions.jsonl", Question) if q.split == "rl"][:count]


class Clock:
    """Seconds on the clock and of this process's processors since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {"clock": time.perf_counter() - self.began[0], "cpu": time.process_time() - self.began[1]}


def ours_step(folder: Path, o: dict[str, Any]) -> dict[str, Any]:
    """Rollouts and two updates, on every group, live or dead, as the peer trains them all."""
    agent, tools = policy.load(folder / "sft"), tools_of(folder)
    if "hidden" in o:  # another size, with random weights: every episode is written up to its limit
        agent = policy.build_tiny(agent.tokenizer, hidden=o["hidden"], feed_forward=8 * o["hidden"] // 3)
    s = dapo_batch.Settings(
        groups=o["groups"], samples=o["samples"], slots=o["slots"], max_tokens=o["max_tokens"],
        max_turn_tokens=o["max_tokens"], max_turns=12, minibatches=2, overlong_filter=False, lr=1e-9,
    )  # fmt: skip
    weights = [p for p in agent.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=s.lr)
    if o["threads"] > 1:  # as the notebooks do: a further process for every further thread
        agent.workers = workers.Workers(agent, o["threads"] - 1)
        agent.workers.keep(tools)
    questions = questions_of(folder, s.groups)
    runs = []
    for step in range(o["steps"]):
        tools._seen.clear()  # every step meets questions it has not met
        clock = Clock()
        episodes = dapo_batch.roll(rollout.run, agent, questions, tools, s, s.samples, step)
        sampled = clock.read()
        parts = [episodes[i : i + s.samples] for i in range(0, len(episodes), s.samples)]
        groups = [
            dapo_batch.make_group(p, q.answer, n, s) for n, (p, q) in enumerate(zip(parts, questions, strict=True))
        ]
        batch = dapo_batch.Batch(groups, [r for g in groups for r in g], [0] * len(groups), 1)
        dapo_update.learn(agent.model, optimiser, batch, s, step + 2)
        runs.append({"rollouts": sampled, "step": clock.read(), **counts(episodes)})
    return {"runs": runs[1:], "parameters": sum(p.numel() for p in weights)}


def counts(episodes: list[Any]) -> dict[str, int]:
    return {
        "episodes": len(episodes),
        "tokens": sum(len(e.ids) for e in episodes),
        "written": sum(sum(e.mask) for e in episodes),
        "calls": sum(e.n_calls for e in episodes),
    }


def parse(tokenizer: Any, ids: Any) -> dict[str, Any]:
    """A turn of our protocol as the message that TRL works with."""
    text = tokenizer.decode(ids).removesuffix(tokenizer.eos_token)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    try:
        turn = protocol.parse_turn(text)
    except protocol.ProtocolError:
        return message
    if turn.name is not None:
        message["tool_calls"] = [{"type": "function", "function": {"name": turn.name, "arguments": turn.arguments}}]
    return message


def peer_step(folder: Path, o: dict[str, Any]) -> dict[str, Any]:
    """The same with TRL: one batch of rollouts, two updates, each on half of it."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    agent, tools = policy.load(folder / "sft"), tools_of(folder)
    tokenizer = agent.tokenizer
    tokenizer.chat_template, tokenizer.response_template = TEMPLATE, None
    tokenizer.response_schema = {"type": "object"}  # says that there is a parser: the next line
    tokenizer.parse_response = lambda ids, **_: parse(tokenizer, ids)
    size = o["groups"] * o["samples"]
    rows = [
        {"prompt": prompts.head(q.question, "", "brief"), "answer": q.answer} for q in questions_of(folder, o["groups"])
    ]
    config = GRPOConfig(
        output_dir=o["scratch"], use_cpu=True, per_device_train_batch_size=size // 2, steps_per_generation=2,
        num_generations=o["samples"], max_completion_length=o["max_tokens"], max_tool_calling_iterations=12,
        max_steps=2 * o["steps"], learning_rate=1e-9, temperature=1.0, top_p=1.0, top_k=0, loss_type="dapo",
        epsilon=0.2, epsilon_high=0.28, beta=0.0, report_to=[], save_strategy="no", logging_strategy="no",
        gradient_checkpointing=False, bf16=False, disable_tqdm=True, shuffle_dataset=False,
    )  # fmt: skip
    runs: list[dict[str, Any]] = []

    class Watch(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % 2 == 0:
                tools._seen.clear()
                self.clock = Clock()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % 2 == 0:
                runs.append({**pending.pop(), "step": self.clock.read()})

    pending: list[dict[str, Any]] = []

    class Timed(GRPOTrainer):
        def _generate(self, asked: list[Any]) -> Any:
            clock = Clock()
            result = super()._generate(asked)
            prompt_ids, completion_ids, tool_mask = result[0], result[1], result[2]
            written = sum(map(sum, tool_mask)) if tool_mask else sum(map(len, completion_ids))
            tokens = sum(map(len, prompt_ids)) + sum(map(len, completion_ids))
            pending.append({"rollouts": clock.read(), "episodes": len(asked), "tokens": tokens, "written": written})
            return result

    class Web:
        """The tools as TRL wants them: one object an episode."""

        def reset(self, **_: Any) -> None:
            pass

        def search(self, query: list[str]) -> str:
            """Search the web.

            Args:
                query: What to look for.
            """
            return tools.call_many([("search", {"query": query})])[0]

        def visit(self, url: list[str], goal: str) -> str:
            """Visit pages.

            Args:
                url: Their addresses.
                goal: What to find there.
            """
            return tools.call_many([("visit", {"url": url, "goal": goal})])[0]

    def right(completions: list[Any], answer: list[str], **_: Any) -> list[float]:
        pairs = zip(completions, answer, strict=True)
        return [0.1 + 0.9 * (gold in said[-1]["content"]) for said, gold in pairs]

    trainer = Timed(
        model=agent.model, reward_funcs=right, args=config, train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer, environment_factory=Web, callbacks=[Watch()],
    )  # fmt: skip
    trainer.train()
    return {"runs": runs[1:]}


class Prompt:
    """A question for decoding: its words are drawn, and nothing is called."""

    def __init__(self, number: int) -> None:
        self.id, self.question = f"q{number}", f"Who is number {number % 90 + 10}?"


def ours_decode(folder: Path, o: dict[str, Any]) -> dict[str, Any]:
    """Plain decoding: prompts of one length, `new` tokens each, untrained weights, which hardly ever end a turn."""
    agent = policy.load(folder / "base")
    dials = {"max_turn_tokens": o["new"], "max_tokens": 2 * o["new"] + 200, "temperature": 1.0, "tables": 1}
    runs = []
    for turn in range(o["steps"]):
        clock = Clock()
        episodes = rollout.run(
            agent, [Prompt(n) for n in range(o["batch"])], None, slots=o["batch"], seed=turn, **dials
        )
        runs.append({"decode": clock.read(), "written": sum(sum(e.mask) for e in episodes)})
    return {"runs": runs[1:]}


def peer_decode(folder: Path, o: dict[str, Any]) -> dict[str, Any]:
    """The same with `generate` of transformers, one batch."""
    agent = policy.load(folder / "base")
    heads = [prompts.head(Prompt(n).question, "", "brief") for n in range(o["batch"])]
    agent.tokenizer.padding_side = "left"
    encoded = agent.tokenizer.apply_chat_template(
        heads, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
    )
    dials = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": o["new"]}
    runs = []
    for turn in range(o["steps"]):
        torch.manual_seed(turn)
        clock = Clock()
        with torch.inference_mode():
            out = agent.model.generate(**encoded, **dials, pad_token_id=agent.tokenizer.pad_token_id, eos_token_id=-1)
        runs.append({"decode": clock.read(), "written": (out.shape[1] - encoded["input_ids"].shape[1]) * o["batch"]})
    return {"runs": runs[1:]}


def main() -> None:
    what, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(options["threads"])
    torch.manual_seed(0)
    import transformers

    found = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}}
    if what.startswith("peer_step"):
        import trl

        found["versions"]["trl"] = trl.__version__
    found |= globals()[what](folder, options)
    print("RESULT " + json.dumps(found | {"peak_mib": machine.peak_memory_mib()}), flush=True)


if __name__ == "__main__":
    main()
