"""The engine over HTTP against a server with the same tiny policy; and what it says of servers that will not do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import by_heart
import pytest
import torch
from by_heart import QUESTIONS, EchoTools

from webdancer.agent import engine_api, lora, policy, rollout
from webdancer.agent.engine_api import EngineError, Server


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.seen.append((self.path, body, self.headers.get("Authorization")))
        if server.fails:
            self.send_response(server.fails.pop(0))
            self.end_headers()
            self.wfile.write(b"busy")
            return
        answer = {} if self.path.endswith("adapter") else server.change(complete(server.policy, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


def complete(agent, body):
    """What vLLM answers: greedy tokens of the policy, computed from the whole prompt anew."""
    ids, new, logps = list(body["prompt"]), [], []
    with torch.inference_mode():
        while len(new) < body["max_tokens"]:
            logp = agent.model(torch.tensor([ids + new])).logits[0, -1].log_softmax(-1)
            new.append(int(logp.argmax()))
            logps.append(float(logp[new[-1]]))
            if new[-1] in body["stop_token_ids"]:
                break
    stopped = new[-1] in body["stop_token_ids"]
    choice = {"token_ids": new, "prompt_token_ids": ids, "logprobs": {"token_logprobs": logps}}
    return {"choices": [choice | {"finish_reason": "stop" if stopped else "length", "text": "ignored"}]}


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.policy, server.seen, server.fails, server.change = by_heart.trained(), [], [], lambda answer: answer
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def client(server, **more):
    return Server(f"http://127.0.0.1:{server.server_port}/v1", "tiny", pause=0.01, **more)


DIALS = {"temperature": 0.0, "max_tokens": 200}


def test_it_plays_what_the_local_engine_plays(server):
    far = client(server).run(server.policy, QUESTIONS, EchoTools(), samples=2, **DIALS)
    near = rollout.run(server.policy, QUESTIONS, EchoTools(), samples=2, **DIALS)
    assert any(e.stop == "answer" for e in far)
    for a, b in zip(far, near, strict=True):
        assert (a.question_id, a.sample, a.ids, a.mask, a.messages) == (
            b.question_id,
            b.sample,
            b.ids,
            b.mask,
            b.messages,
        )
        assert a.logp == pytest.approx(b.logp, abs=1e-4)
        assert (a.stop, a.prediction, a.n_calls, a.turns, a.format_ok) == (
            b.stop,
            b.prediction,
            b.n_calls,
            b.turns,
            b.format_ok,
        )


@pytest.mark.parametrize("limit", [{"max_turn_tokens": 4}, {"max_turns": 1}, {"max_tokens": 22}, {"max_tokens": 60}])
def test_limits_end_an_episode_as_in_the_local_engine(server, limit):
    far, near = (
        run(server.policy, QUESTIONS[:2], EchoTools(), **{**DIALS, **limit})
        for run in (client(server).run, rollout.run)
    )
    assert [(e.stop, e.ids, e.truncated) for e in far] == [(e.stop, e.ids, e.truncated) for e in near]


def test_requests_carry_ids_a_seed_of_their_own_and_the_key(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret")
    client(server, key_env="SOME_KEY").run(server.policy, QUESTIONS[:2], EchoTools(), samples=2, seed=3, **DIALS)
    path, body, key = server.seen[0]
    assert (path, key, body["return_token_ids"], body["logprobs"]) == ("/v1/completions", "Bearer secret", True, 0)
    assert all(type(i) is int for i in body["prompt"]) and body["stop_token_ids"] == [server.policy.end]
    seeds = [body["seed"] for _, body, _ in server.seen]
    assert len(set(seeds)) == len(seeds)


def without(*names):
    def change(answer):
        for name in names:
            answer["choices"][0].pop(name)
        return answer

    return change


def changed(**fields):
    def change(answer):
        answer["choices"][0] |= fields
        return answer

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("token_ids"), "returned 0 token ids and .*vLLM 0.10 or newer"),
        (without("logprobs"), "token ids and 0 log-probabilities"),
        (changed(logprobs={"token_logprobs": [None]}), "wanted as many"),
        (changed(prompt_token_ids=[1, 2]), "read a prompt of 2 tokens where"),
        (changed(token_ids=[7], logprobs={"token_logprobs": [-1.0]}), "ended a turn with token 7, wanted"),
    ],
)
def test_a_server_that_will_not_do_is_refused_with_what_it_lacks(server, change, message):
    server.change = change
    with pytest.raises(EngineError, match=message):
        client(server).run(server.policy, QUESTIONS[:1], EchoTools(), **DIALS)


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(server):
    server.fails = [503, 429]
    (episode,) = client(server).run(server.policy, QUESTIONS[:1], EchoTools(), **DIALS)
    assert episode.stop == "answer"
    server.seen.clear()
    server.fails = [400]
    with pytest.raises(EngineError, match="HTTP 400: busy.*is 'tiny' its"):
        client(server).run(server.policy, QUESTIONS[:1], EchoTools(), **DIALS)
    assert len(server.seen) == 1
    with pytest.raises(EngineError, match="ConnectError"):
        Server("http://127.0.0.1:9/v1", "tiny", retries=1, pause=0.01).run(server.policy, QUESTIONS[:1], None, **DIALS)


def test_the_adapter_is_handed_over_under_a_new_name_before_each_run(server, tmp_path):
    pytest.importorskip("peft", reason="adapters need the package peft")
    base = policy.Policy(policy.build_tiny(server.policy.tokenizer, hidden=12, layers=1, heads=2).model, None)
    agent = policy.Policy(lora.add(base.model, lora.Lora(2)), server.policy.tokenizer)
    engine = client(server, adapter_folder=str(tmp_path))
    for _ in range(2):
        engine.run(agent, QUESTIONS[:1], EchoTools(), **DIALS)
    calls = [(path, body.get("lora_name", body.get("model"))) for path, body, _ in server.seen]
    paths = [c for c in calls if c[0].endswith("adapter")]
    assert paths == [
        ("/v1/load_lora_adapter", "policy-1"),
        ("/v1/load_lora_adapter", "policy-2"),
        ("/v1/unload_lora_adapter", "policy-1"),
    ]
    assert calls[1] == ("/v1/completions", "policy-1") and calls[-1] == ("/v1/completions", "policy-2")
    assert [p.name for p in tmp_path.iterdir()] == ["policy-2"] and (
        tmp_path / "policy-2/adapter_config.json"
    ).is_file()


def test_whole_weights_cannot_be_handed_over(server, tmp_path):
    with pytest.raises(ValueError, match="policy without adapters"):
        client(server, adapter_folder=str(tmp_path)).run(server.policy, QUESTIONS[:1], EchoTools(), **DIALS)


def test_it_stands_in_for_the_local_engine():
    import inspect

    ours, theirs = (inspect.signature(f).parameters for f in (engine_api.Server.run, rollout.run))
    assert [n for n in theirs if n not in ours] == ["prefill_tokens", "patience", "tables"]
    assert all(ours[n].default == theirs[n].default for n in theirs if n in ours)
