"""Small artifacts of 01 to 04 for tests of the study: a few pages, questions, and episodes in both styles."""

from dataclasses import replace
from pathlib import Path

from webdancer.core import prompts
from webdancer.core.protocol import Turn, render_response, render_turn
from webdancer.core.schema import Page, Question, Trajectory, write_jsonl
from webdancer.study import Setup

PEOPLE = ("Tal Veron", "Ada Quist", "Bo Lind", "Kor Hask", "Mira Dane", "Zev Orlen", "Nia Storn", "Ulf Berin")
TOWNS = ("Kestin", "Halxo", "Orheim", "Dungrad", "Caswick", "Zelfin", "Marrow", "Tillby")
PARAMETERS = {
    "widths": [32, 64],
    "layers": 1,
    "vocabulary": 700,
    "max_length": 320,
    "prompt_style": "brief",
    "date": "",
    "batch_tokens": 256,
    "reading_steps": 2,
    "reading_flat": 0.9,
    "steps": 3,
    "few": 3,
    "ladder": [2],
    "practice_steps": 2,
    "groups": 2,
    "rollouts": 2,
    "average": 0.5,
    "questions": 3,
    "samples": 3,
    "temperature": 0.6,
    "temperatures": [0.0, 0.6],
    "top_p": 0.95,
    "overlong_filter": False,
    "max_turns": 2,
    "max_turn_tokens": 12,
    "slots": 9,
    "search_results": 2,
    "snippet_words": 14,
    "max_observation_chars": 400,
    "threads": 1,
}
SETUP = Setup.of(PARAMETERS)


def page(town: str, mayor: str) -> Page:
    return Page(f"http://wiki.pocket.test/wiki/{town}", town, f"{town} lies by a lake. The mayor of {town} is {mayor}.")


def question(town: str, mayor: str, split: str, kind: str = "multihop") -> Question:
    return Question(f"{split}-{kind}-{town}", f"Who is the mayor of {town}?", mayor, kind, 1, split=split)


def episode(asked: Question, style: str, right: bool = True) -> Trajectory:
    town = asked.question.split()[-1].rstrip("?")
    long = "I read the question again and check what is told. " if style == "long" else ""
    said = asked.answer if right else "unknown"
    seen = {"role": "user", "content": render_response(f"The mayor of {town} is {asked.answer}.")}
    turns = [Turn(f"{long}Next: mayor of {town}.", "search", {"query": [f"{town} mayor"]}), Turn("Done.", answer=said)]
    first, last = ({"role": "assistant", "content": render_turn(turn)} for turn in turns)
    messages = (*prompts.head(asked.question, "", "brief"), first, seen, last)
    return Trajectory(
        messages, ((asked.answer,),), asked.kind, asked.id, style, hops=1, prediction=said, stop="answer", n_calls=1
    )


def write(folder: Path) -> Path:
    """Write the six files into `folder`: 8 episodes a style, half of each kind; the funnel kept 7 of them."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = list(zip(TOWNS, PEOPLE, strict=True))
    asked = [question(t, p, "sft", "e2hqa" if i % 2 else "multihop") for i, (t, p) in enumerate(pairs)]
    rows = [episode(q, style, right=i != 6) for style in ("short", "long") for i, q in enumerate(asked)]
    write_jsonl(folder / "trajectories.jsonl", rows)
    kept = [replace(t, ratings=(5, 5, 5)) for t in rows if t.prediction != "unknown"]
    write_jsonl(folder / "kept.jsonl", kept)
    other = [question(t, p, split) for split in ("rl", "eval") for t, p in pairs[:4]]
    write_jsonl(folder / "questions.jsonl", [*asked, *other])
    for name in ("train", "rl", "heldout"):
        write_jsonl(folder / f"pages_{name}.jsonl", [page(t, p) for t, p in pairs])
    return folder
