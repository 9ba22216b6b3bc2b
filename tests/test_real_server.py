"""Every role once against a server that is not ours: `transformers serve` with a tiny model of random weights.

What such a model writes is rubbish on purpose. The point is that nothing crashes on a real server's replies, and that
rubbish is dropped everywhere for what it is. Skipped where the server's packages (fastapi, uvicorn) are missing.
"""

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from webdancer import author_forms, crawlqa, e2hqa, filters
from webdancer.agent import policy, react, roles, tokens
from webdancer.agent.judge import LLMJudge
from webdancer.agent.llm import LLM, EndpointError, wait
from webdancer.agent.summarise import summariser
from webdancer.agent.turns import Settings
from webdancer.core import prompts
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Page, Question, Trajectory
from webdancer.solver import Solver
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools, extract

PAGES = (
    Page("http://a.test/Kestin", "Kestin", "Kestin lies by a lake. The mayor of Kestin is Tal Veron."),
    Page("http://a.test/Tal", "Tal Veron", "Tal Veron was born in 1901. Tal Veron studied at Hill University."),
)
QUESTION = Question("q1", "Who is the mayor of Kestin?", "Tal Veron", "multihop", 1)
MISSING = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
START = 120  # seconds that the server may take to start


def model_folder(folder: Path) -> Path:
    """A Qwen3 of random weights with a byte-level tokenizer and the ChatML template, as a Hugging Face folder.

    The template has Qwen's own marks: the server knows the model's family and parses its replies by them.
    """
    texts = [v for v in vars(prompts).values() if isinstance(v, str)] + [p.text for p in PAGES]
    frame = Tokenizer(models.BPE())
    frame.pre_tokenizer, frame.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet, special = pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, special_tokens=special)
    frame.train_from_iterator(texts, trainer)
    marks = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>", "chat_template": tokens.CHATML}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=frame, model_max_length=16384, **marks)
    policy.save(policy.build_tiny(tokenizer, hidden=32, layers=1, heads=1, feed_forward=32), folder)
    generation = folder / "generation_config.json"
    settings = json.loads(generation.read_text())
    generation.write_text(json.dumps(settings | {"do_sample": True}))  # else the server never samples
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Address and model name of a running `transformers serve`."""
    if MISSING:
        pytest.skip(f"transformers serve needs {' and '.join(MISSING)}: pip install fastapi uvicorn")
    folder = model_folder(tmp_path_factory.mktemp("real") / "rubbish")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder.parent / "serve.log"
    run = "from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", run, "serve", str(folder), "--port", str(port), "--host", "127.0.0.1"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(folder.parent / "hf")}
    with log.open("w") as out:
        child = subprocess.Popen([*command, "--device", "cpu"], stdout=out, stderr=out, env=environment)
    try:
        if not _up(child, f"http://127.0.0.1:{port}/health"):
            pytest.skip(f"transformers serve did not start here: {log.read_text()[-300:]}")
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        child.terminate()
        child.wait(30)


def _up(child: subprocess.Popen, address: str) -> bool:
    deadline = time.monotonic() + START
    while child.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(address, timeout=5).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    return False


@pytest.fixture
def role(server, tmp_path, monkeypatch):
    """A function that gives the client of a role, read from a roles file as a user would write it."""
    address, model = server
    block = (
        f"{{endpoint: '{address}', model: '{model}', max_tokens: 24, concurrency: 2, temperature: 1.0, timeout: 60}}"
    )
    (tmp_path / "roles.yaml").write_text("\n".join(f"{name}: {block}" for name in roles.ROLES))
    monkeypatch.setenv("WEBDANCER_ROOT", str(tmp_path))
    return lambda name: roles.client(name, {"roles": "roles.yaml"}, folder=tmp_path)


def used(llm: LLM, calls: int) -> bool:
    """Whether the server answered so many requests, each with tokens counted."""
    return llm.usage["calls"] == calls and llm.usage["prompt_tokens"] > 10 * calls and llm.usage["retries"] == 0


def test_author(role):
    author = role("author")
    assert wait(crawlqa.write(author, "multihop", 2, PAGES, seed=1)) == "malformed"
    with pytest.raises(author_forms.Refused, match="malformed"):
        wait(e2hqa.seed_question(author, PAGES[0], seed=1))
    assert author.usage["calls"] >= 2 and author.usage["completion_tokens"] > 0


@pytest.mark.parametrize("style", ("short", "long"))
def test_teachers(role, style):
    teacher, tools = role(style), Tools(SearchIndex.build(list(PAGES)), list(PAGES))
    settings = Settings(style, date="2025-01-01", max_turns=3, temperature=1.0)
    episodes = react.many(teacher, [QUESTION], tools, settings, samples=3, progress=False)
    assert {t.stop for t in episodes} <= {"malformed", "cut"}
    assert used(teacher, 3) and all(t.tokens > 0 and t.n_calls == 0 for t in episodes)
    assert all(m["content"].strip() for t in episodes for m in t.messages[:2])
    result = filters.funnel(episodes)
    assert not result.kept and {d.stage for d in result.dropped} == {"validity"}


def test_summariser_falls_back_on_the_rule(role):
    reader = role("summariser")
    told = asyncio.run(summariser(reader)(PAGES[0].text, "mayor of Kestin"))
    assert told == extract(PAGES[0].text, "mayor of Kestin")
    assert used(reader, 2) and reader.usage["repairs"] == 1


def test_judge_reads_no_verdict_in_rubbish(role):
    judge = LLMJudge(role("judge"))
    assert judge.judge_many([(QUESTION.question, "Tal Veron", "Tal Veron"), ("Who?", "", "x")]) == [False, False]
    assert judge.unread == 1 and used(judge.llm, 1)


def test_quality_model_gives_no_rating(role):
    look = {"role": "assistant", "content": render_turn(Turn("Look.", "search", {"query": ["mayor of Kestin"]}))}
    seen = {"role": "user", "content": render_response("The mayor of Kestin is Tal Veron.")}
    says = {"role": "assistant", "content": render_turn(Turn("It says so.", answer="Tal Veron"))}
    good = Trajectory((*prompts.head(QUESTION.question, "2025-01-01"), look, seen, says), (("Tal Veron",),))
    rater = role("quality")
    assert len(filters.funnel([good]).kept) == 1  # by the rules it would stay
    result = filters.funnel([good], rate=filters.by_quality(rater))
    assert [(d.stage, d.reason) for d in result.dropped] == [("quality", "no rating")]
    assert used(rater, 3) and rater.usage["repairs"] == 2


def test_solver_neither_knows_nor_finds(role):
    solver, tools = role("solver"), Tools(SearchIndex.build(list(PAGES)), list(PAGES))
    trier = Solver(solver, {"sft": tools}, Settings(date="2025-01-01"), tries=2)
    verdict = wait(trier.check(replace(QUESTION, split="sft")))
    assert not verdict.known and not verdict.found and trier.reason(QUESTION, verdict) == "unsolved"
    assert used(solver, 3)


def test_the_same_seed_is_the_same_reply_and_the_cache_asks_once(role):
    solver = role("solver")
    ask = [{"role": "user", "content": "Who is the mayor of Kestin?"}]
    first, second, other = (wait(solver.chat(ask, seed=s)) for s in (3, 3, 4))
    assert first == second != other
    assert solver.usage["cached"] == 1 and used(solver, 2)


def test_a_server_that_refuses_a_field_or_a_model_says_so(server):
    address, model = server
    ask = [{"role": "user", "content": "x"}]
    with pytest.raises(EndpointError, match="422.*no_such_field") as caught:
        wait(LLM(model, address, extra={"no_such_field": 1}).chat(ask))
    assert caught.value.status == 422
    with pytest.raises(EndpointError, match="400.*pinned"):
        wait(LLM("another", address).chat(ask))
