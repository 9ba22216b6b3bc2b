"""Exams of our own questions, of open and of secret benchmarks; an evaluation of a secret set that leaves no trace."""

import base64
import csv
import hashlib
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from fake_endpoint import Server, completion

from webdancer import evaluate, evaluate_agents, evaluate_bench, evaluate_store
from webdancer.agent import grade, roles
from webdancer.agent.grade import Grade, Grader
from webdancer.agent.summarise import summariser
from webdancer.core import benchmarks, record
from webdancer.core.benchmarks import BenchmarkError
from webdancer.core.schema import Page, Question, Trajectory
from webdancer.core.vault import PIECE, VaultError, is_sealed
from webdancer.show import trajectory as faces
from webdancer.web import toolbox

SHARED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
OWN = [
    Question("a", "Who is the mayor of Kestin?", "Tal Veron", "multihop", 2, split="eval"),
    Question("b", "Who?", "x", "count", 1, split="rl"),
]
PLAIN = {"benchmark": "", "benchmark_file": "", "recording": ""}


def test_our_own_questions_are_those_of_split_eval():
    exam = evaluate_bench.open_exam(PLAIN, OWN)
    assert [q.id for q in exam.questions] == ["a"] and exam.vault is None
    assert exam.slices == {"a": {}} and exam.answers == {"a": ("Tal Veron",)}
    assert exam.record() == {"name": "", "title": "our own questions, held-out web", "questions": 1, "secret": False}
    with pytest.raises(ValueError, match="no evaluation questions"):
        evaluate_bench.open_exam(PLAIN, OWN[1:])
    with pytest.raises(ValueError, match="benchmark_file='x.csv' and no benchmark"):
        evaluate_bench.open_exam(PLAIN | {"benchmark_file": "x.csv"}, OWN)


def small(monkeypatch, name, count, **more):
    monkeypatch.setitem(benchmarks.ALL, name, replace(benchmarks.ALL[name], count=count, **more))


def test_an_open_benchmark_has_all_its_answers_and_slices(root, monkeypatch):
    small(monkeypatch, "musique", 1)
    row = {"id": "3hop1__8", "question": "Who is Tal?", "answer": "Orlen", "answer_aliases": ["Orlen Ford"]}
    (root / "m.jsonl").write_text(json.dumps(row))
    exam = evaluate_bench.open_exam(PLAIN | {"benchmark": "musique", "benchmark_file": "m.jsonl"})
    (asked,) = exam.questions
    assert evaluate.choose(exam.questions) == [asked]
    assert exam.slices[asked.id] == {"level": "", "kind": "", "language": "en", "hops": "3"}
    done = Trajectory(({"role": "user", "content": "Who is Tal?"},), (("Orlen",),), question_id=asked.id, stop="answer")
    done = replace(done, prediction="It is Orlen Ford.")
    assert exam.with_answers([done])[0].answer == (("Orlen", "Orlen Ford"),)
    assert exam.shown(done) is done
    rows, grades = evaluate_bench.judged(evaluate.score("m", [done]), exam, Grader("match"))
    assert rows[0].correct and rows[0].judged_by == "match" and grades[0].label == "correct"
    with pytest.raises(ValueError, match="'b', which is no question of musique"):
        exam.with_answers([replace(done, question_id="b")])


def test_levels_and_languages_become_slices_that_add_up(root, monkeypatch):
    small(monkeypatch, "webwalkerqa", 4, levels={"easy": 2, "hard": 2})
    rows = [
        {"Question": f"Who {n}?", "answer": "Tal", "difficulty_level": level, "lang": lang, "type": "single_source"}
        for n, (level, lang) in enumerate([("easy", "en"), ("easy", "zh"), ("hard", "en"), ("hard", "en")])
    ]
    (root / "w.json").write_text(json.dumps(rows))
    exam = evaluate_bench.open_exam(PLAIN | {"benchmark": "webwalkerqa", "benchmark_file": "w.json"})
    done = [
        Trajectory(({"role": "user", "content": q.question},), ((q.answer,),), question_id=q.id, stop="answer")
        for q in exam.questions
    ]
    rows = evaluate.score("m", [replace(t, prediction="Tal" if n else "Bo") for n, t in enumerate(done)])
    found = evaluate.summary(rows, k=1, facts=exam.slices)
    assert {key: (v["value"], v["n"]) for key, v in found["by_level"].items()} == {"easy": (0.5, 2), "hard": (1.0, 2)}
    assert {key: v["n"] for key, v in found["by_language"].items()} == {"en": 3, "zh": 1}
    assert set(found["by_kind"]) == {"single_source"} and "by_hops" not in found


def test_a_secret_benchmark_has_a_vault_and_allows_no_recording(root, monkeypatch):
    secret_file(root, monkeypatch)
    asked = PLAIN | {"benchmark": "browsecomp", "benchmark_file": "b.csv"}
    exam = evaluate_bench.open_exam(asked)
    assert exam.record() == {"name": "browsecomp", "title": "BrowseComp", "questions": 3, "secret": True}
    assert told([repr(exam)], SECRETS) == 0
    with pytest.raises(BenchmarkError, match="a recording keeps the agent's searches in plain"):
        evaluate_bench.open_exam(asked | {"recording": "web.sqlite"})
    with pytest.raises(BenchmarkError, match="got benchmark 'gaya'"):
        evaluate_bench.open_exam(PLAIN | {"benchmark": "gaya"})


def test_report_by_hand():
    graders = {"match": Grader("match"), "exact": Grader("exact")}
    grades = {
        "match": [Grade("correct", confidence=1.0), Grade("correct"), Grade("incorrect", confidence=0.5)],
        "exact": [Grade("correct"), Grade("incorrect"), Grade("incorrect")],
    }
    found = evaluate_bench.report(grades, graders)
    assert found["judges"]["match"]["correct"] == pytest.approx(2 / 3)
    assert found["judges"]["match"]["calibration_error"]["value"] == 0.25  # 0.75 stated, half of them right
    assert found["judges"]["exact"]["calibration_error"]["n"] == 0
    assert found["disagreement"][0]["only_first"] == 1
    assert json.loads(json.dumps(found)) == found
    judges, pairs = evaluate_bench.judge_table(found), evaluate_bench.disagreement_table(found)
    assert list(judges.index) == ["match", "exact"] and judges.loc["match", "calibration_error"] == 0.25
    assert (judges.loc["match", "with_confidence"], judges.loc["exact", "with_confidence"]) == (2, 0)
    assert pairs.loc[0, ["first", "differ", "of"]].tolist() == ["match", 0.3333, 3]
    alone = evaluate_bench.report({"match": grades["match"]}, graders)
    assert evaluate_bench.disagreement_table(alone).empty


# A whole evaluation of a secret set. Assertions on secret texts compare lists of file names, so that a failure prints
# none of them.

SECRETS = [
    ("Which mayor of Kestin built the stone bridge over the Orlen and wrote a book on tea?", "Tal Veron"),
    ("Which river flows by the town whose museum shows the last wooden clock of Ada Quist?", "Silver Brook"),
    ("哪座城市的市长在奥伦河上修建了第一座石桥并写了一本关于茶的书?", "凯斯廷城"),
]


def secret_file(root, monkeypatch, secrets=SECRETS):
    """An encrypted file as BrowseComp has it."""
    small(monkeypatch, "browsecomp", len(secrets), language="")

    def coded(text, canary):
        key = hashlib.sha256(canary.encode()).digest()
        return base64.b64encode(bytes(b ^ key[i % 32] for i, b in enumerate(text.encode()))).decode()

    with (root / "b.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["problem", "answer", "canary"])
        table.writerows([coded(q, f"c{n}"), coded(a, f"c{n}"), f"c{n}"] for n, (q, a) in enumerate(secrets))


def talker(secrets):
    """An endpoint that quotes all it is told: as agent, as summariser and as judge."""

    def reply(body):
        said = body["messages"][-1]["content"]
        whole = "\n".join(m["content"] for m in body["messages"])
        question, answer = next((q, a) for q, a in secrets if q in whole)
        if "Task: judge" in whole:
            text = f"extracted_final_answer: {answer}\nreasoning: {question}\ncorrect: yes\nconfidence: 80%"
        elif "Task: summarise" in whole:
            text = json.dumps({"rational": question, "evidence": f"{question} {answer}", "summary": answer})
        elif said.startswith("<tool_response>"):
            text = f"<think>{question}</think><answer>Surely {answer}, I say.</answer>"
        else:
            calls = {"url": ["http://a.test/K"], "goal": question}, {"query": [question]}
            call = json.dumps({"name": "visit", "arguments": calls[0]}, ensure_ascii=False)
            text = f"<think>{question} {answer}?</think><tool_call>{call}</tool_call>"
        return 200, {}, completion(content=text, reasoning_content=f"{question} {answer}")

    return reply


@pytest.fixture
def P(root):
    (root / "roles.yaml").write_text("judge: {model: j, concurrency: 2}\nsummariser: {model: s}\n")
    return PLAIN | {
        "profile": "tiny", "seed": 0, "agents": ["teacher=talker"], "agent_system_file": "", "roles": "roles.yaml",
        "temperature": 0.6, "top_p": 0.95, "max_reply_tokens": 512, "concurrency": 2, "prices": [0.0, 0.0],
        "keep_replies": True, "date": "2025-01-01", "max_turns": 4, "samples": 2, "threads": 1, "search_results": 2,
        "snippet_words": 9, "max_observation_chars": 900, "search_engine": "", "live_visits": False, "contact": "",
        "recording_mode": "record",
    }  # fmt: skip


def evaluated(P, url, count=0):
    """What 07 does: play, grade, write, show; the store stays open, as after a kill. Returns exam and predictions."""
    folder = record.artifacts("tiny")
    stage = record.Stage("07_evaluate", P)
    exam = evaluate_bench.open_exam(P)
    questions = evaluate.choose(exam.questions, count, 0)
    kept = {"folder": folder, "vault": exam.vault, "default_endpoint": url}
    pages = [Page("http://a.test/K", "Kestin", "Kestin lies by a lake. It has a bridge.")]
    tools = toolbox.build(pages, P, summariser(roles.client("summariser", P, **kept)))
    chosen = evaluate_agents.agents(P, folder, endpoint=url, vault=exam.vault)
    path = stage.writes(folder / "predictions.jsonl")
    store = evaluate_store.Store(path, vault=exam.vault, chunk=1)
    runs = evaluate_agents.run(chosen, store, questions, tools, P)
    judge = Grader("yes_no", roles.client("judge", P, **kept), exam.vault)
    rows, grades = evaluate_bench.judged(runs["teacher"], exam, judge)
    store.chunks(
        "local",
        "x",
        questions,
        lambda some: [p.trajectory for p in rows if p.trajectory.question_id in {q.id for q in some}],
    )
    evaluate.write_predictions(path, rows, exam.vault)
    (folder / "page.html").write_text(faces.html(exam.shown(rows[0].trajectory)))
    stage.finish({"judges": evaluate_bench.report({"yes_no": grades}, {"yes_no": judge}), "exam": exam.record()})
    print(exam.record(), chosen[0].record(), exam.shown(rows[0].trajectory))
    return exam, rows


def told(texts, secrets):
    """How many of the texts hold a question, a piece of one, or an answer; also if JSON escaped it."""
    pieces = [p for q, _ in secrets for p in {q[i : i + PIECE] for i in range(0, max(1, len(q) - PIECE), 5)}]
    pieces += [p for _, a in secrets if len(a.encode()) > 5 for p in (a, json.dumps(a)[1:-1])]
    pieces += [json.dumps(p)[1:-1] for p in pieces if not p.isascii()]
    return sum(any(p in text for p in pieces) for text in texts)


def leaks(folder, secrets):
    """The files below a folder that hold a text of the set, in plain or in a common coding."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("b.csv",)):
        raw = path.read_bytes()
        texts = [raw.decode("utf-8", "replace"), path.name]
        for token in re.findall(rb"[A-Za-z0-9+/=]{24,}", raw):
            data = base64.b64decode(token + b"=" * (-len(token) % 4))
            texts.append(data.decode("utf-8", "replace"))
            try:
                texts.append(zlib.decompress(data).decode("utf-8", "replace"))
            except zlib.error:
                pass
        if told(texts, secrets):
            found.append(path.name)
    return found


def test_the_search_for_leaks_finds_them(tmp_path):
    """Or the test below would say nothing."""
    question, answer = SECRETS[2]
    (tmp_path / "a").write_text(f"x {SECRETS[0][0][7:60]}")
    (tmp_path / "b").write_text(json.dumps({"said": question}))
    (tmp_path / "c").write_text(base64.b64encode(zlib.compress(SECRETS[1][0].encode())).decode())
    (tmp_path / "d").write_text(json.dumps(answer))
    (tmp_path / "e").write_text("nothing")
    assert leaks(tmp_path, SECRETS) == ["a", "b", "c", "d"]


def test_a_whole_evaluation_of_a_secret_set_writes_none_of_it(root, monkeypatch, P, capfd, caplog):
    secret_file(root, monkeypatch)
    P |= {"benchmark": "browsecomp", "benchmark_file": "b.csv"}
    with Server(talker(SECRETS)) as server:
        exam, rows = evaluated(P, server.url)
        paid = len(server.seen)
        again = evaluated(P, server.url)[1]
        assert again == rows and len(server.seen) == paid  # all of it is on disk, and nobody is asked again
    assert paid >= 6 * 3 and len(rows) == 6 and all(p.correct and p.confidence == 0.8 for p in rows)
    written = {p.name for p in record.artifacts("tiny").iterdir()}
    assert {"judge_replies.jsonl", "summariser_replies.jsonl", "teacher_replies.jsonl", "predictions.jsonl"} <= written
    assert sum(name.endswith(".partial") for name in written) >= 3  # the store of the run that was not closed
    assert leaks(root, SECRETS) == []
    printed = capfd.readouterr()
    assert told([printed.out, printed.err, caplog.text], SECRETS) == 0
    sealed = evaluate.read_predictions(record.artifacts("tiny") / "predictions.jsonl")
    assert all(is_sealed(p.trajectory) for p in sealed) and [p.correct for p in sealed] == [True] * 6
    opened = evaluate.read_predictions(record.artifacts("tiny") / "predictions.jsonl", exam.vault)
    assert opened == rows
    rule, grades = evaluate_bench.judged(opened, exam, Grader("exact"))  # another judge, and no new episode
    assert [g.label for g in grades] == ["incorrect"] * 6 and rule[0].judged_by == "exact"


def test_a_server_that_quotes_the_question_in_its_errors_is_not_quoted(root, monkeypatch, P, capfd):
    secret_file(root, monkeypatch)
    P |= {"benchmark": "browsecomp", "benchmark_file": "b.csv"}

    def refuses(body):
        return 403, {}, json.dumps({"error": {"message": f"not allowed: {body['messages'][1]['content'][-60:]}"}})

    with (
        Server(refuses) as server,
        pytest.raises(VaultError, match="EndpointError .* browsecomp and is withheld") as said,
    ):
        evaluated(P, server.url)
    assert told([str(said.value), *capfd.readouterr()], SECRETS) == 0 and leaks(root, SECRETS) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [("browsecomp_zh", "browsecomp-zh-encrypted.xlsx"), ("xbench_deepsearch", "xbench-deepsearch-2505.csv")],
)
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the published benchmark files (see `home` in benchmarks)")
def test_the_published_encrypted_files_are_evaluated_without_a_trace(root, monkeypatch, P, name, file, capfd):
    P |= {"benchmark": name, "benchmark_file": str(SHARED / file), "samples": 1}
    secrets = [(i.question, i.answers[0]) for i in benchmarks.load(name, SHARED / file)]
    with Server(talker(secrets)) as server:
        exam, rows = evaluated(P, server.url, count=4)
    asked = [s for s in secrets if any(s[0] in p.trajectory.messages[1]["content"] for p in rows)]
    # Numbers and names of files alone in the assertions: what fails must not print a text.
    counts = [len(rows), sum(p.correct for p in rows), len(asked), told(capfd.readouterr(), asked)]
    assert counts == [4, 4, 4, 0]
    files = leaks(root, asked)
    assert files == []
    same = grade.case(rows[0].trajectory)[2] == exam.answers[rows[0].trajectory.question_id]
    assert same
