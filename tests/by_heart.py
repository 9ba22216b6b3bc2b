"""A tiny policy that has learned a two-turn episode by heart, for tests of what plays episodes; trained once a run."""

import functools

import torch

from webdancer.agent import policy, tokens
from webdancer.core import prompts, protocol
from webdancer.core.schema import Question, Trajectory

WORDS = "Tal Veron Kor Hask Orlen Ford Mir Dov".split()
QUESTIONS = [Question(f"q{n}", f"Who is {w}?", w, "multihop", 1) for n, w in enumerate(WORDS)]


class EchoTools:
    """A tool that answers every search with the query reversed, and counts the calls it gets at a time."""

    def __init__(self):
        self.sizes = []

    def call_many(self, calls):
        self.sizes.append(len(calls))
        return [" ".join(reversed(arguments["query"][0].split())) for _, arguments in calls]


def search(word):
    return protocol.render_turn(protocol.Turn(f"Look {word} up.", "search", {"query": [word + " mayor"]}))


def answer(word):
    return protocol.render_turn(protocol.Turn(f"It is {word}.", answer=word))


def trajectory(word):
    messages = prompts.head(f"Who is {word}?", "", "brief")
    messages += [{"role": "assistant", "content": search(word)}]
    messages += [{"role": "user", "content": protocol.render_response(f"mayor {word}")}]
    messages += [{"role": "assistant", "content": answer(word)}]
    return Trajectory(tuple(messages), ((word,),), hops=1)


@functools.cache
def trained(steps: int = 400):
    """The policy: it calls the tool, then answers with what it was asked about."""
    data = [trajectory(w) for w in WORDS]
    tokenizer = tokens.train_tokenizer(tokens.corpus(data * 3), 600, max_length=256)
    tiny = policy.build_tiny(tokenizer, hidden=32, layers=2, heads=2, feed_forward=64, seed=0)
    rows = [tokens.render(tokenizer, t.messages) for t in data]
    width = max(len(r.ids) for r in rows)
    ids = torch.tensor([r.ids + [0] * (width - len(r.ids)) for r in rows])
    mask = torch.tensor([r.mask + [False] * (width - len(r.mask)) for r in rows])
    optimiser = torch.optim.AdamW(tiny.model.parameters(), lr=5e-3)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / steps)
        logits, targets = policy.trained_logits(tiny.model, ids, mask)
        torch.nn.functional.cross_entropy(logits, targets).backward()
        optimiser.step()
        optimiser.zero_grad()
    return tiny
