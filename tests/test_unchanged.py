"""What must not change does not: by hand on one weight, on small episodes through processes, HTTP and verl's loop."""

import asyncio
import subprocess
from types import SimpleNamespace

import pytest
import study_files
import torch

from webdancer import sft, sft_data
from webdancer.agent import policy, tokens
from webdancer.core import params
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Trajectory, write_jsonl
from webdancer.scale import unchanged, verl_launch
from webdancer.scale.client import Client
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

PAIRS = list(zip(study_files.TOWNS, study_files.PEOPLE, strict=True))
PAGES = [study_files.page(town, mayor) for town, mayor in PAIRS]


@pytest.fixture(scope="module")
def tools():
    return Tools(SearchIndex.build(PAGES), PAGES, results=2)


@pytest.fixture(scope="module")
def chats(tools):
    """Episodes of one search each, with what the tools return."""
    found = []
    for town, mayor in PAIRS:
        head = study_files.episode(study_files.question(town, mayor, "sft"), "short").messages[:-3]
        call = {"query": [f"{town} mayor"]}
        first = Turn(f"Next: mayor of {town}.", "search", call)
        seen = {"role": "user", "content": render_response(tools.call_many([("search", call)])[0])}
        turns = [{"role": "assistant", "content": render_turn(t)} for t in (first, Turn("Done.", answer=mayor))]
        found.append([*head, turns[0], seen, turns[1]])
    return found


@pytest.fixture(scope="module")
def tokenizer(chats):
    return tokens.train_tokenizer([m["content"] for chat in chats for m in chat], 900)


def examples(tokenizer, chats):
    return [sft_data.Example(tuple(r.ids), tuple(r.mask), 1) for r in (tokens.render(tokenizer, c) for c in chats)]


def test_distances_by_hand(monkeypatch):
    """Loss of a token (w - y)^2 / 2 at w = 0, y = 2, 4 and six times 1: -1.5 in all, -2 as a mean of means."""
    weight = torch.zeros(1, requires_grad=True)
    monkeypatch.setattr(sft_data, "collate", lambda part, pad: (torch.tensor(part), None))
    monkeypatch.setattr(sft, "loss_sum", lambda model, y, _: (((weight - y) ** 2 / 2).sum(), len(y)))
    model = SimpleNamespace(parameters=lambda: [weight], zero_grad=lambda: setattr(weight, "grad", None))
    found = unchanged.distances(model, [[2.0, 4.0], [1.0] * 6])
    assert found["sum over sum"] == pytest.approx(0.0, abs=1e-7)
    assert found["mean of means"] == pytest.approx(0.5 / 1.5)


def test_distances_of_a_policy(tokenizer, chats):
    agent = policy.build_tiny(tokenizer, layers=1)
    rows = examples(tokenizer, chats)
    found = unchanged.distances(agent.model, [rows[:1], rows[1:]])
    assert found["sum over sum"] < 1e-5 < found["mean of means"]
    assert all(p.grad is None or not p.grad.any() for p in agent.model.parameters())


def test_two_processes_have_the_losses_of_one(tmp_path, tokenizer, chats):
    pytest.importorskip("accelerate", reason="accelerate is not installed: no launch of several processes")
    write_jsonl(tmp_path / "kept.jsonl", [Trajectory(tuple(chat), (("x",),), style="short") for chat in chats])
    policy.save(policy.build_tiny(tokenizer, layers=1), tmp_path / "sft")
    P = unchanged.recipe(steps=2, batch_tokens=600, seed=1)
    places = tmp_path / "sft", tmp_path / "kept.jsonl", P
    one = unchanged.alone(*places)
    assert len(one) == 2 and one == pytest.approx(unchanged.launched(*places), abs=1e-5)


def test_a_launch_that_fails_says_why(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], 3, "", "much\nError: no such thing\n")
    monkeypatch.setattr(unchanged.subprocess, "run", lambda *args, **kwargs: ended)
    with pytest.raises(RuntimeError, match="ended with 3: ...much\nError: no such thing$"):
        unchanged.launched(tmp_path, tmp_path / "none.jsonl", unchanged.recipe())


def test_the_recipe_is_that_of_05_but_for_what_it_says():
    changed = {k: v for k, v in unchanged.recipe(seed=7).items() if v != params.defaults("05_sft")[k]}
    assert changed == {
        "steps": 6, "reading_steps": 0, "rename": False, "aside": 0, "checkpoint_every": 0,
        "optimizer": "adamw", "lr": 0.001, "warmup": 2, "seed": 7,
    }  # fmt: skip


def test_the_service_answers_as_the_tools_do_and_its_episodes_have_our_masks(tmp_path, tools, tokenizer, chats):
    write_jsonl(tmp_path / "pages.jsonl", PAGES)
    with unchanged.Service(tmp_path / "pages.jsonl", workers=1, results=2) as service:
        one, two = service.search(["Kestin", "Halxo mayor"], clients=2)
        assert one == two == [tools.call_many([("search", {"query": q})])[0] for q in ("Kestin", "Halxo mayor")]
        found = asyncio.run(unchanged.replay(chats, tokenizer, Client(service.address), 2000))
    assert found["ids"].all() and found["mask"].all() and len(found) == len(chats)
    assert found["trained"].tolist() == [sum(r.mask) for r in examples(tokenizer, chats)]
    assert service.close() == 0  # a second time does no harm


def test_another_web_is_noticed(tokenizer, chats):
    """The check can fail: one page says something else."""
    changed = [study_files.page(town, "Nobody") for town, _ in PAIRS]
    other = Tools(SearchIndex.build(changed), changed, results=2)
    assert not asyncio.run(unchanged.replay(chats[:2], tokenizer, other, 2000))["ids"].any()


def test_a_service_that_cannot_start_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="did not start: Error: there is no file"):
        unchanged.Service(tmp_path / "none.jsonl")


def test_schemas_agree_and_what_is_missing_is_said():
    table = unchanged.schemas()
    assert table["tool"].tolist() == ["search", "visit"] and table["as in the prompt"].all()
    assert table["arguments"].tolist() == ["query", "url, goal"]
    (said,) = unchanged.missing("json", "no_such_package")
    assert said.startswith("no_such_package is not installed here") and "`make test-scale`" in said


def test_settings_and_flags_are_those_of_the_export(tmp_path):
    table = unchanged.settings("laptop")
    assert len(table) == len(verl_launch.SETTINGS)
    assert table.set_index("setting").loc["samples", "papers"] == 16
    (tmp_path / "launch.sh").write_text('[ "$DRY_RUN" = 1 ] && printf "a.b=1\\nc=x=y\\n$SETTINGS=z\\n"\n')
    assert unchanged.flags(tmp_path) == {"a.b": "1", "c": "x=y", "paper": "z"}


def test_settings_of_another_seed_are_those_of_its_profile():
    first, second = unchanged.settings("laptop"), unchanged.settings("laptop_seed1")
    assert list(second.columns) == ["setting", "papers", "laptop_seed1", "source"]
    assert second["laptop_seed1"].tolist() == first["laptop"].tolist()
