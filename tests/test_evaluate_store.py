"""An evaluation that is killed and started again ends as one that was never stopped; a foreign file is never read."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import by_heart
import evaluate_child
import pytest
from evaluate_child import Episode
from fake_agent import ANSWER, BRIEF, CALL, FakeLLM, FakeTools, ask

from webdancer import evaluate_store as s
from webdancer.agent.llm import EndpointError
from webdancer.core.vault import Vault, is_sealed


def written(folder):
    return [(folder / name).read_text() for name in ("predictions.jsonl", "numbers.json")]


def run_and_kill(folder, kind, lines):
    """Start the evaluation and kill it some time after it printed that many lines."""
    command = [sys.executable, str(Path(evaluate_child.__file__)), str(folder), kind]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    for _ in range(lines):
        child.stdout.readline()
    try:
        child.wait(random.uniform(0.0, 0.05))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
        child.wait()
    child.stdout.close()


def test_killed_at_random_and_started_again_it_ends_with_the_same_numbers(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    evaluate_child.go(whole, "drawn").close()
    for lines in (random.randint(1, 3), random.randint(2, 4), random.randint(1, 9), random.randint(1, 9)):
        run_and_kill(killed, "drawn", lines)
    played = []
    store = evaluate_child.go(killed, "drawn", report=played.append)
    assert written(killed) == written(whole)
    assert played.count("chunk") < 4 and len(played) < 4 + 24, "what was finished was played again"
    store.close()
    assert sorted(p.name for p in killed.iterdir()) == ["numbers.json", "predictions.jsonl"]
    for model in ("local", "teacher"):  # or the comparison above would say little
        found = s.evaluate.read_predictions(whole / "predictions.jsonl")
        assert {p.correct for p in found if p.model == model} == {True, False}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with a real policy that knows its questions half by heart."""
    from webdancer.agent import policy

    folder = tmp_path_factory.mktemp("start")
    policy.save(by_heart.trained(240), folder / "start")
    return folder / "start"


def folders(tmp_path, start):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "start").symlink_to(start)
    return tmp_path / "whole", tmp_path / "broken"


class Stop(Exception):
    pass


def test_a_real_policy_goes_on_with_the_same_samples(start, tmp_path):
    whole, broken = folders(tmp_path, start)
    evaluate_child.go(whole, "tiny")
    found = s.evaluate.read_predictions(whole / "predictions.jsonl")
    assert {p.correct for p in found if p.model == "local"} == {True, False}
    seen = []

    def stop(what):
        seen.append(what)
        if len(seen) == 3:
            raise Stop

    with pytest.raises(Stop):
        evaluate_child.go(broken, "tiny", report=stop)
    played = []
    evaluate_child.go(broken, "tiny", report=played.append)
    assert played.count("chunk") == 2 and written(broken) == written(whole)


@pytest.mark.slow
def test_a_real_policy_killed_at_random_ends_with_the_same_numbers(start, tmp_path):
    whole, broken = folders(tmp_path, start)
    evaluate_child.go(whole, "tiny")
    for lines in (random.randint(1, 2), random.randint(1, 3), random.randint(2, 12)):
        run_and_kill(broken, "tiny", lines)
    evaluate_child.go(broken, "tiny")
    assert written(broken) == written(whole)


class Engine:
    """Plays every question at once, notes which, and fails when it is told to."""

    def __init__(self, fail_at=10**6):
        self.seen, self.fail_at = [], fail_at

    def __call__(self, policy, questions, tools, *, samples=1, seed=0, progress=""):
        if len(self.seen) >= self.fail_at:
            raise RuntimeError("out of memory")
        self.seen.append([q.id for q in questions])
        head = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": f"seed {seed}"}]
        return [Episode(q.id, n, head, "Tal Veron") for q in questions for n in range(samples)]


QUESTIONS = [ask(f"q{n}") for n in range(7)]


def play(folder, engine, questions=QUESTIONS, about=(), chunk=3, vault=None, name="sft", **dials):
    store = s.Store(folder / "predictions.jsonl", about, chunk=chunk, vault=vault)
    return store, store.policy(name, None, None, questions, None, engine=engine, **dials)


def test_chunks_depend_on_the_questions_alone_and_only_the_missing_ones_are_played(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory"):
        play(tmp_path, Engine(fail_at=2))
    again = Engine()
    store, rows = play(tmp_path, again)
    assert again.seen == [["q6"]]
    assert [p.trajectory.question_id for p in rows] == [q.id for q in QUESTIONS]
    assert rows == play(tmp_path / "other", Engine())[1]
    assert store.seconds["sft"] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"samples": 2},
        {"about": ["other pages"]},
        {"chunk": 4},
        {"questions": [*QUESTIONS[:-1], replace(QUESTIONS[-1], answer="Bo Lind")]},
        {"name": "dapo"},
    ],
)
def test_what_another_run_kept_is_not_read(tmp_path, change):
    play(tmp_path, Engine())
    other = Engine()
    play(tmp_path, other, **change)
    assert sum(map(len, other.seen)) == 7


def test_a_model_folder_with_other_content_is_another_run(tmp_path):
    (tmp_path / "sft").mkdir()
    engines = [Engine(), Engine(), Engine()]
    for engine, weights in zip(engines, "aab", strict=True):
        (tmp_path / "sft" / "weights").write_text(weights)
        store = s.Store(tmp_path / "predictions.jsonl", chunk=3)
        store.policy("sft", tmp_path / "sft", None, QUESTIONS, None, engine=engine)
    assert [len(engine.seen) for engine in engines] == [3, 0, 3]


def test_a_line_that_a_kill_cut_short_is_played_again(tmp_path):
    play(tmp_path, Engine())
    (kept,) = tmp_path.glob("*.partial")
    kept.write_bytes(kept.read_bytes()[:-20])
    again = Engine()
    _, rows = play(tmp_path, again)
    assert again.seen == [["q6"]] and len(rows) == 7


def test_close_removes_its_own_files_and_no_others(tmp_path):
    store, _ = play(tmp_path, Engine())
    play(tmp_path, Engine(), seed=5)
    store.close()
    assert len(list(tmp_path.iterdir())) == 1
    store.close()


def endpoint(folder, llm, questions=QUESTIONS[:3], **more):
    store = s.Store(folder / "predictions.jsonl", **more)
    done = store.endpoint("teacher", llm, questions, FakeTools(), settings=BRIEF, samples=2, progress=False)
    return store, done


def test_an_endpoint_is_asked_only_for_what_is_missing(tmp_path):
    broken = FakeLLM(CALL, EndpointError("no more money", 402), concurrency=1)
    broken.plan = (CALL, lambda seed: ANSWER if len(broken.seen) < 5 else EndpointError("no more money", 402))
    with pytest.raises(EndpointError, match="no more money"):
        endpoint(tmp_path, broken)
    again = FakeLLM(CALL, ANSWER)
    store, rows = endpoint(tmp_path, again)
    assert len(again.seen) == 2 * (6 - 2) and len(rows) == 6 and all(p.correct for p in rows)
    assert store.seconds["teacher"] is None  # the first part of the time is gone
    silent = FakeLLM(EndpointError("not asked"))
    assert endpoint(tmp_path, silent)[1] == rows and not silent.seen
    assert endpoint(tmp_path / "new", FakeLLM(CALL, ANSWER))[1] == rows


def test_the_time_of_an_endpoint_is_known_if_it_ran_through(tmp_path):
    seconds = endpoint(tmp_path, FakeLLM(CALL, ANSWER))[0].seconds["teacher"]
    assert seconds > 0
    assert endpoint(tmp_path, FakeLLM(CALL, ANSWER))[0].seconds["teacher"] == seconds


def test_of_a_secret_benchmark_nothing_is_kept_in_plain(tmp_path):
    vault = Vault("secret", [q.question for q in QUESTIONS])
    _, rows = play(tmp_path, Engine(), vault=vault)
    again = Engine()
    assert play(tmp_path, again, vault=vault)[1] == rows and not again.seen
    assert endpoint(tmp_path, FakeLLM(CALL, ANSWER), vault=vault)[1][0].correct
    text = "".join(p.read_text() for p in tmp_path.glob("*.partial"))
    assert text and "Tal Veron" not in text and "mayor" not in text
    s.evaluate.write_predictions(tmp_path / "p.jsonl", rows, vault)
    assert all(is_sealed(p.trajectory) for p in s.evaluate.read_predictions(tmp_path / "p.jsonl"))
    assert s.evaluate.read_predictions(tmp_path / "p.jsonl", vault) == rows


def test_what_episodes_depend_on_names_tools_pages_and_reader(tmp_path):
    (tmp_path / "pages.jsonl").write_text("{}\n")
    parameters = {"search_results": 2, "seed": 1, "endpoint": ""}
    first = s.depends(parameters, tmp_path / "pages.jsonl")
    assert first[0] == {"search_results": 2, "endpoint": ""} and len(first[1]) == 64 and first[2] == []
    assert s.depends(parameters, tmp_path / "pages.jsonl", FakeLLM())[2] == ["fake", 100]
    (tmp_path / "pages.jsonl").write_text("{} \n")
    assert s.depends(parameters, tmp_path / "pages.jsonl") != first


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="chunks of 0"):
        s.Store(tmp_path / "p.jsonl", chunk=0)
    with pytest.raises(ValueError, match="split eval"):
        play(tmp_path, Engine(), questions=[])
    with pytest.raises(ValueError, match="split eval"):
        endpoint(tmp_path, FakeLLM(ANSWER), questions=[])
