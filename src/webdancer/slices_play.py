"""The generalisation slices in 07: made from the parameters, played by the agents that are compared, kept in a file.

In: a notebook's parameters, the profile's questions and pages, agents. Out: `Played`: what is new in each slice, every
episode, and scores with their intervals. Part of `slices`, which says what a slice is. Not in the paper.
"""

import contextlib
import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from webdancer import evaluate, slices
from webdancer import evaluate_agents as crew
from webdancer.agent.llm import LLM, Budget
from webdancer.core.record import Stage
from webdancer.core.schema import Page, Question, read_jsonl
from webdancer.evaluate_predictions import Prediction
from webdancer.evaluate_store import Store
from webdancer.web import toolbox

WARM = 0.7  # temperature of the author and the solver of the questions, as in 02
STORED = {"search_engine": "", "live_visits": False, "recording": ""}  # tools over the slice's own pages alone
TOOLS = ("search_results", "snippet_words", "max_observation_chars")


@dataclass
class Played:
    """Slices and what became of them.

    measures: rows of `slices.measure`. scores, gains: rows of `slices.scores` and `slices.gains`. seconds: slice to
    seconds of its episodes. All are empty if no slice was wanted.
    """

    measures: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    gains: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What the marker says."""
        return asdict(self)


def run(
    P: Mapping[str, Any],
    stage: Stage,
    folder: Path,
    known: Sequence[Question],
    agents: Sequence[crew.Agent],
    *,
    endpoint: str,
    budget: Budget | None = None,
) -> Played:
    """Make the slices that `P` wants and have two agents play them.

    Args:
        P: `slices` (some of `slices.CHANGES`; empty: nothing is done), `slice_worlds, slice_pages, slice_questions,
            slice_samples`; `compared` (two names of `agents`), and all that `evaluate_agents.run` reads.
        stage: of the notebook; what is read, written and paid is recorded there.
        folder: of the artifacts: `pages_train.jsonl` and `pages_rl.jsonl` are read, `predictions_slices.jsonl` written.
        known: all questions of the profile, as `slices.make` takes them.
        agents: those of the notebook.
        endpoint: of the pocket web's author and solver.
        budget: shared with the notebook's other roles.

    Raises:
        ValueError: as `slices.make`. EndpointError: as `evaluate_agents.run`.
    """
    if not P["slices"]:
        return Played()
    hands: dict[str, LLM] = {}

    def hand(model: str) -> LLM:
        dials = {"temperature": WARM, "concurrency": P["concurrency"], "budget": budget}
        return hands.setdefault(model, LLM(model, endpoint, **dials))

    files = [stage.reads(folder / f"pages_{name}.jsonl") for name in ("train", "rl")]
    beside = [page for file in files for page in read_jsonl(file, Page)]
    ways = {"worlds": P["slice_worlds"], "size": P["slice_pages"], "count": P["slice_questions"]}
    made = slices.make(P["slices"], known, beside, hand, seed=P["seed"], date=P["date"], **ways)
    for llm in hands.values():
        stage.cost(llm.usage)
    second, first = P["compared"]
    players = [agent for agent in agents if agent.name in P["compared"]]
    tokenizer = next((agent.load().tokenizer for agent in players if agent.folder), None)
    seen = slices.Seen.of(beside, known)
    found = Played([slices.measure(part, seen, tokenizer) for part in made])
    rows = _play(P, stage, folder / "predictions_slices.jsonl", made, players, found)
    found.scores, found.gains = slices.scores(rows, P["seed"]), slices.gains(rows, first, second, P["seed"])
    return found


def _play(
    P: Mapping[str, Any],
    stage: Stage,
    path: Path,
    made: Sequence[slices.Slice],
    players: Sequence[crew.Agent],
    found: Played,
) -> list[Prediction]:
    """The episodes of all slices, written to `path`; kept as they come, so that a killed run goes on."""
    rows: list[Prediction] = []
    stores = []
    dials = {**P, **STORED, "samples": P["slice_samples"]}
    for part in tqdm(made, "slices", mininterval=10):
        began = time.perf_counter()
        digest = hashlib.sha256("".join(page.url + page.text for page in part.pages).encode()).hexdigest()
        store = Store(path.with_stem(f"{path.stem}.{part.name}"), [digest, [P[name] for name in TOOLS]])
        with contextlib.redirect_stderr(io.StringIO()):  # a bar for every agent and slice would be a page of them
            played = crew.run(players, store, part.questions, toolbox.build(part.pages, dials), dials)
        rows += [p for some in played.values() for p in some]
        stores.append(store)
        found.seconds[part.name] = round(time.perf_counter() - began, 1)
    evaluate.write_predictions(stage.writes(path), rows)
    for store in stores:
        store.close()
    return rows
