"""Agents from a flat list: folders, models at an endpoint, blocks of the roles file; each checked before a run."""

import json

import pytest
from fake_endpoint import Server, completion

from webdancer import evaluate_agents
from webdancer.core import prompts
from webdancer.core.schema import Question
from webdancer.core.vault import Vault
from webdancer.evaluate_agents import Agent, AgentError, agents
from webdancer.evaluate_store import Store

QUESTIONS = [Question(f"q{n}", f"Who is mayor {n}?", "Tal Veron", "multihop", 1, split="eval") for n in range(3)]
CALL = '<think>Look.</think><tool_call>{"name": "search", "arguments": {"query": ["mayor"]}}</tool_call>'
ANSWER = "<think>Seen.</think><answer>Tal Veron</answer>"


@pytest.fixture
def P(root):
    """Flat parameters as 07 has them."""
    (root / "models" / "mine").mkdir(parents=True)
    (root / "artifacts" / "sft").mkdir(parents=True)
    return {
        "agents": ["sft"], "agent_system_file": "", "roles": "", "temperature": 0.6, "top_p": 0.95, "threads": 1,
        "max_reply_tokens": 300, "concurrency": 4, "prices": [1.0, 2.0], "keep_replies": False, "seed": 3,
        "date": "2025-01-01", "max_turns": 5, "samples": 2, "max_tokens": 100, "slots": 4, "prompt_style": "brief",
    }  # fmt: skip


def found(P, root, *entries, endpoint="http://127.0.0.1:1/v1", **more):
    return agents(P | {"agents": list(entries), **more}, root / "artifacts", endpoint=endpoint)


def test_the_forms_of_an_entry(P, root):
    (root / "roles.yaml").write_text(
        "agent_gpt: {model: gpt-x, endpoint: 'http://127.0.0.1:2/v1', temperature: 0.9, system_file: gpt.txt}\n"
    )
    (root / "gpt.txt").write_text("You search. Today is {date}.\n")
    sft, mine, teacher, gpt = found(
        P, root, "sft", "mine=models/mine/", "teacher=pocket-short", "gpt=role:agent_gpt", roles="roles.yaml"
    )
    assert (sft.name, sft.folder, sft.llm) == ("sft", root / "artifacts" / "sft", None)
    assert mine.folder == root / "models" / "mine"
    assert (teacher.llm.model, teacher.llm.base_url, teacher.llm.max_tokens) == (
        "pocket-short",
        "http://127.0.0.1:1/v1",
        300,
    )
    assert (teacher.llm.temperature, teacher.llm.top_p, teacher.llm.price_out, teacher.system) == (0.6, 0.95, 2.0, "")
    assert (gpt.llm.model, gpt.llm.base_url, gpt.llm.temperature) == ("gpt-x", "http://127.0.0.1:2/v1", 0.9)
    assert gpt.system == "You search. Today is {date}."


def test_what_a_marker_says_of_an_agent(P, root):
    (root / "own.txt").write_text("Search well.")
    sft, teacher = found(P, root, "sft", "teacher=pocket-short", agent_system_file="own.txt")
    assert sft.record() == {"kind": "folder", "model": "sft", "system": ""}
    record = teacher.record()
    assert (record["kind"], record["model"]) == ("endpoint", "pocket-short") and len(record["system"]) == 12
    assert Agent("x", llm=teacher.llm, system="other").record()["system"] != record["system"]
    assert str(root) not in json.dumps([sft.record(), record])


@pytest.mark.parametrize(
    ("entries", "more", "error", "says"),
    [
        ([], {}, AgentError, "agents: got none, wanted names"),
        (["sft", "sft=models/mine/"], {}, AgentError, "got 'sft', 'sft', wanted .* each once"),
        (["a b"], {}, AgentError, "got 'a b', wanted names of letters"),
        (["../x"], {}, AgentError, "got '../x'"),
        (["=m"], {}, AgentError, "got ''"),
        (["dapo"], {}, FileNotFoundError, "no model folder dapo among the artifacts: run 06_dapo first"),
        (["mine"], {}, FileNotFoundError, "no model folder mine .* or write mine=FOLDER/ or mine=MODEL"),
        (["big=models/big/"], {}, FileNotFoundError, "no folder models/big/ for big.*hf download ORG/NAME"),
        (["t=m"], {"endpoint": ""}, AgentError, "t=m is a model at an endpoint: got none, wanted one in `endpoint`"),
        (["t=role:agent_x"], {}, AgentError, "got no block 'agent_x', .*none: the parameter roles names no file"),
        (["t=m"], {"agent_system_file": "none.txt"}, AgentError, "agent_system_file: none.txt cannot be read .FileNot"),
        (["t=m"], {"agent_system_file": "empty.txt"}, AgentError, "empty.txt is empty, wanted the system message"),
        (["t=m"], {"agent_system_file": "bytes.txt"}, AgentError, "bytes.txt cannot be read .UnicodeDecodeError"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_at_once(P, root, entries, more, error, says):
    (root / "empty.txt").write_text(" \n")
    (root / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(error, match=says):
        found(P, root, *entries, **more)


def test_a_role_without_a_block_or_with_a_missing_system_file(P, root):
    (root / "roles.yaml").write_text("short: {model: m}\nagent_b: {model: m, system_file: none.txt}\n")
    with pytest.raises(AgentError, match=r"got no block 'agent_x', wanted one of the file's \(short, agent_b\)"):
        found(P, root, "t=role:agent_x", roles="roles.yaml")
    with pytest.raises(AgentError, match="agent_b.system_file: none.txt cannot be read"):
        found(P, root, "t=role:agent_b", roles="roles.yaml")
    assert found(P, root, "teacher=role:short", roles="roles.yaml")[0].llm.model == "m"


class Tools:
    """Finds nothing."""

    async def call(self, name, arguments):
        return f"{name}: nothing"


def talker(body):
    said = body["messages"][-1]["content"]
    return 200, {}, completion(content=ANSWER if said.startswith("<tool_response>") else CALL)


@pytest.mark.parametrize(
    ("own", "system", "user"),
    [
        ("Search well, it is {date}.", "Search well, it is 2025-01-01.", prompts.USER_HEAD + "Who is mayor 0?"),
        ("Answer in <tool_call> or <answer>.", "Answer in <tool_call> or <answer>.", "Who is mayor 0?"),
        ("", prompts.SYSTEM + "2025-01-01", prompts.USER_HEAD + "Who is mayor 0?"),
    ],
)
def test_an_endpoint_plays_with_its_own_system_message(P, root, tmp_path, own, system, user):
    (root / "own.txt").write_text(own or "unused")
    with Server(talker) as server:
        file = "own.txt" if own else ""
        chosen = found(P, root, "teacher=m", endpoint=server.url, agent_system_file=file)
        runs = evaluate_agents.run(chosen, Store(tmp_path / "p.jsonl"), QUESTIONS[:1], Tools(), P)
    assert [m["content"] for m in server.seen[0]["messages"]] == [system, user]
    assert (server.seen[0]["temperature"], server.seen[0]["top_p"], server.seen[0]["max_tokens"]) == (0.6, 0.95, 300)
    rows = runs["teacher"]
    assert [(p.model, p.correct, p.valid, p.trajectory.n_calls) for p in rows] == [("teacher", True, True, 1)] * 2
    assert rows[0].trajectory.cost > 0


def test_kept_replies_are_sealed_with_a_vault(P, root):
    vault = Vault("hand", [q.question for q in QUESTIONS], ["Tal Veron"])
    with Server(talker) as server:
        for name, wanted in (("sealed", vault), ("plain", None)):
            P |= {"agents": [f"{name}=m"], "keep_replies": True}
            chosen = agents(P, root / "artifacts", endpoint=server.url, vault=wanted)
            store = Store(root / f"{name}.jsonl", vault=wanted)
            evaluate_agents.run(chosen, store, QUESTIONS, Tools(), P)
    kept = {name: (root / "artifacts" / f"{name}_replies.jsonl").read_text() for name in ("sealed", "plain")}
    assert "Tal Veron" in kept["plain"] and "Tal Veron" not in kept["sealed"]
    assert len(kept["sealed"].splitlines()) == len(kept["plain"].splitlines()) == 12


def policy_folder(path, seed=0, hidden=24):
    """A tiny policy with random weights, as a model folder."""
    from webdancer.agent import policy
    from webdancer.agent.tokens import train_tokenizer

    tokenizer = train_tokenizer([q.question for q in QUESTIONS])
    tiny = policy.build_tiny(tokenizer, hidden=hidden, layers=1, heads=1, feed_forward=16, seed=seed)
    policy.save(tiny, path)


def test_folders_and_endpoints_in_one_run(P, root, tmp_path, monkeypatch):
    for name, seed, hidden in (("sft", 0, 24), ("dapo", 1, 24), ("wide", 2, 32)):
        policy_folder(root / "artifacts" / name, seed, hidden)
    started = []
    real = evaluate_agents._staffed
    monkeypatch.setattr(evaluate_agents, "_staffed", lambda p, crew, n: started.append(real(p, crew, n)) or started[-1])
    with Server(talker) as server:
        chosen = found(P, root, "sft", "dapo", "wide", "teacher=m", endpoint=server.url)
        store = Store(tmp_path / "p.jsonl")
        runs = evaluate_agents.run(
            chosen, store, QUESTIONS, Tools(), P | {"max_turn_tokens": 4}, fewer={"sft": QUESTIONS[:1]}
        )
    assert {name: len(rows) for name, rows in runs.items()} == {"sft": 2, "dapo": 6, "wide": 6, "teacher": 6}
    assert all(p.trajectory.style == "policy" and p.model == "dapo" for p in runs["dapo"])
    crews = [crew[0] for crew in started]
    assert crews[0] is crews[1] is not crews[2]  # alike policies share their workers
