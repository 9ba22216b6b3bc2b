"""Slices played end to end by two agents behind the pocket web's endpoint: what is kept, recorded and resumed."""

import json

import pytest
from test_slices import BESIDE, KNOWN, SEED

from pocketweb import serve
from webdancer import evaluate_agents as crew
from webdancer import slices, slices_play
from webdancer.core import record
from webdancer.core.schema import write_jsonl
from webdancer.evaluate import read_predictions

P = {
    "agents": ["sft=pocket-short", "dapo=pocket-short"],
    "compared": ["sft", "dapo"],
    "slices": ["web"],
    "slice_worlds": [SEED],
    "slice_pages": 200,
    "slice_questions": 4,
    "slice_samples": 2,
    "samples": 1,
    "temperature": 0.0,
    "top_p": 1.0,
    "max_reply_tokens": 400,
    "max_turns": 12,
    "concurrency": 8,
    "prices": [0.0, 0.0],
    "keep_replies": False,
    "agent_system_file": "",
    "roles": "",
    "search_results": 2,
    "snippet_words": 14,
    "max_observation_chars": 1200,
    "search_engine": "",
    "recording_mode": "record",
    "contact": "",
    "threads": 1,
    "seed": 0,
    "date": "2025-01-01",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WEBDANCER_ROOT", str(tmp_path))
    artifacts = record.artifacts("quick")
    write_jsonl(artifacts / "pages_train.jsonl", BESIDE[:50])
    write_jsonl(artifacts / "pages_rl.jsonl", BESIDE[50:])
    return artifacts


def play(folder, P, endpoint):
    stage = record.Stage("07_evaluate", {"profile": "quick"})
    agents = crew.agents(P, folder, endpoint=endpoint)
    play.calls = lambda: {agent.name: agent.llm.usage["calls"] for agent in agents}
    return stage, slices_play.run(P, stage, folder, KNOWN, agents, endpoint=endpoint)


def test_two_agents_play_the_slices(folder):
    with serve.start([]) as net:
        stage, found = play(folder, P, net.endpoint)
    assert [row["slice"] for row in found.measures] == ["names", "web"] == list(found.seconds)
    assert [(row["slice"], row["model"]) for row in found.scores] == [
        (name, model) for name in ("names", "web") for model in ("sft", "dapo")
    ]
    rows = read_predictions(folder / "predictions_slices.jsonl")
    assert len(rows) == sum(2 * 2 * row["questions"] for row in found.measures)  # two agents, two samples
    assert {p.trajectory.sample for p in rows} == {0, 1}
    by_hand = [p.correct for p in rows if p.model == "dapo" and p.trajectory.question_id.startswith("names/")]
    assert found.scores[1]["value"] == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-4)
    assert [row["value"] for row in found.gains] == [0.0, 0.0]  # the same model twice, without chance
    assert not list(folder.glob("predictions_slices.*.partial*"))
    json.dumps(found.record())
    done = json.loads(stage.finish({"slices": found.record()}).read_text())
    assert {"pages_train.jsonl", "pages_rl.jsonl"} <= {name.rsplit("/")[-1] for name in done["inputs"]}
    assert done["cost"]["calls"] > 0


def test_nothing_is_done_where_no_slice_is_wanted(folder):
    _, found = play(folder, {**P, "slices": []}, "http://127.0.0.1:9/v1")
    assert found == slices_play.Played() and not (folder / "predictions_slices.jsonl").exists()


def test_episodes_that_were_played_are_not_played_again(folder, monkeypatch):
    with serve.start([]) as net:
        real, broken = crew.run, []

        def fails_late(agents, store, *rest, **named):
            if "web" in store.path.stem and not broken:
                broken.append(store)
                raise ConnectionError("the endpoint is gone")
            return real(agents, store, *rest, **named)

        monkeypatch.setattr(slices_play.crew, "run", fails_late)
        with pytest.raises(ConnectionError):
            play(folder, P, net.endpoint)
        assert all(play.calls().values()) and list(folder.glob("predictions_slices.names.*"))  # the first is there
        _, again = play(folder, P, net.endpoint)
    assert again.scores and not list(folder.glob("predictions_slices.*.*"))
    asked = {"sft": 0, "dapo": 0}  # in the second run: a call a turn of the slice that was missing, none of the first
    for p in read_predictions(folder / "predictions_slices.jsonl"):
        if p.trajectory.question_id.startswith("web/"):
            asked[p.model] += sum(m["role"] == "assistant" for m in p.trajectory.messages)
    assert play.calls() == asked


def test_an_unknown_slice_is_refused(folder):
    with pytest.raises(ValueError, match="got slices .'colour'., wanted some of names, words"):
        play(folder, {**P, "slices": ["colour"]}, "http://127.0.0.1:9/v1")
    assert set(slices.CHANGES) == {"names", "words", "sentences", "questions", "hops", "web"}
