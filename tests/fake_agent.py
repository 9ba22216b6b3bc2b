"""A model and tools that say what a test tells them to: for tests of episodes, many or one."""

import asyncio
import json

from webdancer.agent.llm import Reply
from webdancer.agent.turns import Settings
from webdancer.core.schema import Question

CALL = '<tool_call>\n{"name": "search", "arguments": {"query": ["Kestin mayor"]}}\n</tool_call>'
ANSWER = "<answer>\nTal Veron\n</answer>"
WRONG = "<answer>\nAda Quist\n</answer>"
BRIEF = Settings(prompt_style="brief")
LONG = Settings(style="long", prompt_style="brief")


def ask(name="q1"):
    return Question(name, f"Who is the mayor of Kestin ({name})?", "Tal Veron", "multihop", 1)


class FakeLLM:
    """Says the planned contents one after the other within an episode; an exception in the plan is raised.

    A function in the plan is asked for what to say, with the seed.
    """

    def __init__(self, *plan, concurrency=4, delays=None):
        self.plan, self.concurrency, self.delays = plan, concurrency, delays or {}
        self.model, self.max_tokens, self.seen, self.seeds = "fake", 100, [], []

    async def chat(self, messages, *, seed=0, temperature=None, stop=None):
        self.seen.append(messages)
        self.seeds.append(seed)
        await asyncio.sleep(self.delays.get(messages[1]["content"], 0))
        turn = sum(m["role"] == "assistant" for m in messages)
        said = self.plan[min(turn, len(self.plan) - 1)]
        said = said(seed) if callable(said) else said
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Reply) else Reply(said, prompt_tokens=10, completion_tokens=5)

    def cost(self, reply):
        return 0.001


class FakeTools:
    """Echoes the call; as the real tools, it knows two names only."""

    async def call(self, name, arguments):
        if name not in ("search", "visit"):
            return f"Error: there is no tool named {name!r}."
        return f"{name} {json.dumps(arguments)}"
