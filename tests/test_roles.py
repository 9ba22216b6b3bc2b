"""webdancer.agent.roles: the file is read strictly, keys stay out of it, and a role becomes the right client."""

import re
from pathlib import Path

import pytest

from webdancer.agent import roles
from webdancer.agent.llm import Budget, EndpointError
from webdancer.agent.llm_cache import ReplyCache
from webdancer.agent.roles import RoleError
from webdancer.agent.sealed import SealedReplies
from webdancer.core.vault import Vault

FILE = """
author: &instruct
  endpoint: https://api.example.org/v1
  model: big
  key_env: SOME_KEY
  price_in: 2
  price_out: 8.0
judge:
  <<: *instruct
  temperature: 0.0
  extra: {response_format: {type: json_object}, seed: null}
summariser:
  endpoint: http://127.0.0.1:8000/v1
  model: small
long:
  model: thinker
  concurrency: 2
"""


@pytest.fixture
def P(root, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    (root / "roles.yaml").write_text(FILE)
    return {"roles": "roles.yaml"}


def test_the_file_wins_over_the_parameters(P, tmp_path):
    purse = Budget(1.0)
    author = roles.client("author", P, budget=purse, folder=tmp_path, model="other", temperature=0.7, price_in=9.0)
    assert (author.model, author.base_url, author.temperature) == ("big", "https://api.example.org/v1", 0.7)
    assert (author.price_in, author.price_out, author.budget) == (2.0, 8.0, purse)
    assert author._cache.path == tmp_path / "author_replies.jsonl"
    judge = roles.client("judge", P, temperature=0.7)
    assert (judge.model, judge.temperature) == ("big", 0.0)
    assert judge.extra == {"response_format": {"type": "json_object"}, "seed": None}
    assert judge._cache.path is None


def test_what_the_file_leaves_out_comes_from_the_parameters(P):
    long = roles.client("long", P, default_endpoint="http://127.0.0.1:1/v1", concurrency=9, max_tokens=77)
    assert (long.model, long.base_url, long.concurrency, long.max_tokens) == ("thinker", "http://127.0.0.1:1/v1", 2, 77)
    short = roles.client("short", P, default_endpoint="http://127.0.0.1:1/v1", model="m")
    assert (short.model, short.concurrency) == ("m", 32)
    plain = roles.client("short", {"roles": ""}, default_endpoint="http://127.0.0.1:1/v1", model="m")
    assert plain.model == "m"


def test_a_role_that_nobody_fills(P):
    assert roles.optional("quality", P, default_endpoint="http://127.0.0.1:1/v1", model="") is None
    with pytest.raises(RoleError, match=r"nobody has the role quality.*block `quality:` into roles.yaml"):
        roles.client("quality", P, default_endpoint="http://127.0.0.1:1/v1")
    with pytest.raises(RoleError, match="nobody has the role quality.*set the notebook's parameter"):
        roles.client("quality", {}, model="")
    with pytest.raises(RoleError, match="the role long has no endpoint"):
        roles.client("long", P)
    with pytest.raises(RoleError, match="unknown role 'sumariser': did you mean summariser"):
        roles.client("sumariser", P)
    with pytest.raises(TypeError, match="temprature"):
        roles.client("short", {}, default_endpoint="http://127.0.0.1:1/v1", model="m", temprature=1.0)


def test_the_key_comes_from_the_environment_or_not_at_all(P, monkeypatch):
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(EndpointError, match="set the environment variable SOME_KEY"):
        roles.client("author", P)


GOOD = "model: m\n  endpoint: http://localhost:1/v1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("authr:\n  model: m", "unknown role 'authr': did you mean author"),
        ("zzz:\n  model: m", "unknown role 'zzz': known are author, short"),
        ("3:\n  model: m", "unknown role 3: known are"),
        ("judge:\n  modell: m", "judge.modell: unknown key: did you mean model?"),
        ("judge:\n  model: m\n  temprature: 0.1", "judge.temprature: unknown key: did you mean temperature"),
        ("judge:\n  temperature: 0.1", "judge.model: Field required"),
        ("judge:\n  model: ''", "judge.model: String should have at least 1 character"),
        ("judge:\n  model: 3", "judge.model: Input should be a valid string"),
        (f"judge:\n  {GOOD}\n  temperature: 3.0", "judge.temperature: Input should be less than or equal to 2"),
        (f"judge:\n  {GOOD}\n  temperature: 1e-1", "judge.temperature: Input should be a valid number.*write 1.0e-5"),
        (f"judge:\n  {GOOD}\n  concurrency: 0", "judge.concurrency: Input should be greater than or equal to 1"),
        (f"judge:\n  {GOOD}\n  max_tokens: 1.5", "judge.max_tokens: Input should be a valid integer"),
        (f"judge:\n  {GOOD}\n  retries: true", "judge.retries: Input should be a valid integer"),
        (f"judge:\n  {GOOD}\n  extra: [1]", "judge.extra: Input should be a valid dictionary"),
        ("judge:\n  model: m\n  endpoint: localhost:8000", "judge.endpoint: .*wanted an address such as"),
        ("judge:\n  model: m\n  endpoint: https://api.example.org/v1", "judge: got an endpoint without key_env"),
        ("judge: m", "judge: got a str, wanted lines"),
        ("- judge", "got a list, wanted one block for each role"),
        ("", "got a NoneType, wanted one block"),
        ("judge: {", r"cannot be read as YAML \(ParserError, line"),
        (f"judge:\n  {GOOD}\n  model: n", "model given twice"),
        (f"judge:\n  {GOOD}\njudge:\n  {GOOD}", "judge given twice"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, text, says):
    path = tmp_path / "roles.yaml"
    path.write_text(text)
    with pytest.raises(RoleError, match="roles.yaml: " + says):
        roles.load(path)


@pytest.mark.parametrize(
    "line",
    [
        "key_env: sk-secret-1",
        "key: sk-secret-1",
        "api_key: sk-secret-1",
        "endpoint: https://me:sk-secret-1@api.example.org/v1",
        "endpoint: https://api.example.org/v1?key=sk-secret-1",
        "temperature: sk-secret-1",
        "model: [sk-secret-1",
    ],
)
def test_a_key_in_the_file_is_refused_and_not_shown(tmp_path, line):
    path = tmp_path / "roles.yaml"
    path.write_text(f"judge:\n  {line}\n")
    with pytest.raises(RoleError) as caught:
        roles.load(path)
    shown = [
        caught.value,
        caught.value.__cause__,
        None if caught.value.__suppress_context__ else caught.value.__context__,
    ]
    assert "secret" not in " ".join(map(str, shown))
    if line.startswith(("key_env", "key:", "endpoint")):
        assert any(
            words in str(caught.value) for words in ("NAME of an environment", "unknown key", "into the environment")
        )


def test_no_file(root):
    with pytest.raises(RoleError, match="gone.yaml: cannot be read"):
        roles.client("judge", {"roles": "gone.yaml"})


FILES = sorted(Path(__file__).parents[1].glob("params/*/roles.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.parent.name)
def test_a_committed_file_fills_every_role_and_holds_no_key(path):
    found = roles.load(path)
    without = {"paper": {"solver"}}  # the paper tries no question before 03: `solver_splits: []` in its 02
    assert set(found) == set(roles.ROLES) - without.get(path.parent.name, set())
    for role in found.values():
        assert role.endpoint and role.max_tokens and role.timeout and role.retries
        assert role.price_in is not None and role.price_out is not None
        assert role.key_env is None or role.key_env.isupper()
    assert not re.search(r"\bsk-\w{8}", path.read_text(encoding="utf-8"))


def test_there_is_a_committed_file():
    assert [p.parent.name for p in FILES] == ["gpu", "paper"]


def test_agents_may_have_blocks_of_any_name(root):
    (root / "r.yaml").write_text("agent_gpt_5: {model: m, endpoint: 'http://127.0.0.1:1/v1', system_file: own.txt}\n")
    assert roles.load(root / "r.yaml")["agent_gpt_5"].system_file == "own.txt"
    assert roles.client("agent_gpt_5", {"roles": "r.yaml"}).model == "m"  # the file is 07's to read
    for wrong in ("agent_", "agents", "agent_a-b"):
        (root / "r.yaml").write_text(f"{wrong}: {{model: m}}\n")
        with pytest.raises(RoleError, match="unknown role .*, and any agent_NAME"):
            roles.load(root / "r.yaml")
    (root / "r.yaml").write_text("agent_a: {model: m, system_file: ''}\n")
    with pytest.raises(RoleError, match="agent_a.system_file: String should have at least 1 character"):
        roles.load(root / "r.yaml")


def test_replies_are_sealed_with_a_vault(P, tmp_path):
    vault = Vault("hand", ["Who?"])
    assert type(roles.client("judge", P, folder=tmp_path, vault=vault)._cache) is SealedReplies
    assert type(roles.client("judge", P, folder=tmp_path)._cache) is ReplyCache
    assert roles.client("judge", P, vault=vault)._cache.path is None
