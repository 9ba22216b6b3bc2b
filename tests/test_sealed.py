"""webdancer.agent.sealed: part files and reply caches that work as in plain, and hold nothing in plain."""

import asyncio
from dataclasses import replace

import pytest
from fake_agent import ANSWER, BRIEF, CALL, FakeLLM, FakeTools, ask
from fake_endpoint import GOOD, Server, completion

from webdancer.agent import react, sealed
from webdancer.agent.llm import LLM, EndpointError, Reply
from webdancer.agent.llm_cache import ReplyCache
from webdancer.agent.partial import Finished, PartFile
from webdancer.core.schema import Trajectory
from webdancer.core.vault import Vault, VaultError

QUESTION = "Who is the mayor of Kestin (q1)?"
VAULT = Vault("hand", [QUESTION], ["Tal Veron"])
DONE = Trajectory(({"role": "user", "content": QUESTION},), (("Tal Veron",),), question_id="q1", prediction="Tal Veron")


def test_without_a_vault_there_is_an_ordinary_part_file(tmp_path):
    with sealed.parts(tmp_path / "p", None) as part:
        assert type(part) is PartFile


def test_episodes_come_back_also_after_a_restart(tmp_path):
    with sealed.parts(tmp_path / "p", VAULT) as part:
        part.add(Finished(DONE, True, ("code fence",)))
        part.add(Finished(replace(DONE, sample=1, stop="error")))
        assert part.get(("q1", 0)) == Finished(DONE, True, ("code fence",))
    text = (tmp_path / "p").read_text()
    assert "Kestin" not in text and "Veron" not in text and '"code fence"' in text
    with sealed.parts(tmp_path / "p", VAULT) as again:
        assert len(again) == 1 and again.get(("q1", 0)).trajectory == DONE  # what failed is run again


def test_another_benchmark_cannot_read_them(tmp_path):
    with sealed.parts(tmp_path / "p", VAULT) as part:
        part.add(Finished(DONE))
    with (
        sealed.parts(tmp_path / "p", Vault("hand", ["Who?"])) as other,
        pytest.raises(VaultError, match="same benchmark"),
    ):
        other.get(("q1", 0))


def test_replies_come_back_under_their_own_key_only(tmp_path):
    path, reply = tmp_path / "r.jsonl", Reply("It is Tal Veron.", "Hm, Tal.", 7, 3, ({"name": "a", "arguments": "{}"},))
    kept = sealed.SealedReplies(path, VAULT)
    kept.put("a" * 64, reply)
    assert kept.get("a" * 64) == reply and kept.get("b" * 64) is None
    assert "Tal" not in path.read_text()
    path.write_text(path.read_text().replace("a" * 64, "b" * 64))
    assert sealed.SealedReplies(path, VAULT).get("b" * 64) is None
    assert sealed.SealedReplies(path, Vault("hand", ["Who?"])).get("a" * 64) is None


def test_a_reply_in_plain_is_passed_over(tmp_path):
    ReplyCache(tmp_path / "r.jsonl").put("a" * 64, Reply("It is Tal Veron."))
    assert sealed.SealedReplies(tmp_path / "r.jsonl", VAULT).get("a" * 64) is None


def test_a_client_pays_once_and_keeps_nothing_in_plain(tmp_path):
    path = tmp_path / "r.jsonl"
    with Server((200, {}, completion(content="It is Tal Veron."))) as server:
        for _ in range(2):
            llm = sealed.keep(LLM("m", server.url), path, VAULT)
            said = asyncio.run(llm.chat([{"role": "user", "content": QUESTION}]))
            assert said.content == "It is Tal Veron."
        assert len(server.seen) == 1
    assert "Veron" not in path.read_text()
    with Server(GOOD) as server:
        llm = sealed.keep(LLM("m", server.url), tmp_path / "open.jsonl", None)
        asyncio.run(llm.chat([{"role": "user", "content": "Hello?"}]))
    assert '"content": "hi"' in (tmp_path / "open.jsonl").read_text()


def test_react_keeps_sealed_episodes_and_goes_on_from_them(tmp_path):
    plan = (f"<think>{QUESTION}</think>{CALL}", f"<think>Seen.</think>{ANSWER}")
    first = react.many(FakeLLM(*plan), [ask()], FakeTools(), BRIEF, partial=tmp_path / "p", progress=False, vault=VAULT)
    assert "Kestin" not in (tmp_path / "p").read_text()
    silent = FakeLLM(AssertionError("asked again"))
    again = react.many(silent, [ask()], FakeTools(), BRIEF, partial=tmp_path / "p", progress=False, vault=VAULT)
    assert again == first and first[0].prediction == "Tal Veron"


def test_an_endpoint_that_quotes_the_question_ends_the_run_without_quoting_it(tmp_path):
    llm = FakeLLM(EndpointError(f"answered 403: not allowed: {QUESTION}", 403))
    with pytest.raises(VaultError, match="EndpointError .* is withheld") as said:
        react.many(llm, [ask()], FakeTools(), BRIEF, partial=tmp_path / "p", progress=False, vault=VAULT)
    assert "Kestin" not in str(said.value)
    llm = FakeLLM(EndpointError("answered 402: no credit", 402))
    with pytest.raises(EndpointError, match="no credit"):
        react.many(llm, [ask()], FakeTools(), BRIEF, progress=False, vault=VAULT)
