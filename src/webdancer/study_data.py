"""Part of the study (08): what its policies read, learn, practise on and are asked, from the files of 01 to 04.

In: the artifacts of a profile. Out: one tokenizer, token ids with masks for the draw of each arm, questions and tools.
The same tokenizer serves all arms, and a smaller draw of trajectories is part of a larger one with the same seed, so
that arms differ in what they compare and in nothing else.

Departures from the paper: (1) "reading" stands in for its pre-trained models: the loss is on what users and tools
wrote, never on an assistant's turn, so that what SFT teaches is new to every policy; (2) trajectories are drawn one by
one, not by question.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from webdancer import dapo_batch, evaluate, sft_data
from webdancer.agent import tokens
from webdancer.core.record import describe
from webdancer.core.schema import Page, Question, Trajectory, read_jsonl
from webdancer.sft_data import Example
from webdancer.study import Arm, Setup
from webdancer.web import toolbox

FILES = ("trajectories", "kept", "questions", "pages_train", "pages_rl", "pages_heldout")
OFFLINE = {"search_engine": "", "live_visits": False, "contact": "", "recording": "", "recording_mode": "record"}
ANY_LENGTH = 10**9


def paths(folder: Path) -> dict[str, Path]:
    """The files that the study reads: name to path."""
    return {name: folder / f"{name}.jsonl" for name in FILES}


def digests(folder: Path) -> dict[str, str]:
    """Name to sha256 of the files that the study reads. `FileNotFoundError` if one is missing."""
    return {name: describe(path)["sha256"] for name, path in paths(folder).items()}


def observed(examples: Iterable[Example]) -> list[Example]:
    """The same episodes with the loss on all that the assistant did not write: for learning to read before SFT.

    >>> observed([Example((5, 6), (False, True), 1)])
    [Example(ids=(5, 6), mask=(True, False), hops=1)]
    """
    return [replace(e, mask=tuple(not m for m in e.mask)) for e in examples]


def key(trajectory: Trajectory) -> tuple[str, str, int]:
    """Question, style and sample: what tells one trajectory of 03 from another."""
    return trajectory.question_id, trajectory.style, trajectory.sample


def chosen(rows: Sequence[Trajectory], kept: set[tuple[str, str, int]], arm: Arm) -> list[int]:
    """Places in `rows` of the trajectories that an arm learns from, in the order of its seed.

    Args:
        rows: all trajectories, dropped ones too. kept: the `key` of those that the funnel kept.

    Raises:
        ValueError: fewer than `arm.count`, or none at all.

    >>> rows = [Trajectory((), (), tag=t, question_id=t, style="short") for t in ("count", "e2hqa", "multihop")]
    >>> kept = {("e2hqa", "short", 0), ("multihop", "short", 0)}
    >>> [chosen(rows, kept, Arm(data=d)) for d in ("crawlqa", "e2hqa")], sorted(chosen(rows, kept, Arm()))
    ([[2], [1]], [1, 2])
    """
    kinds = {"crawlqa": (False,), "e2hqa": (True,)}.get(arm.data, (False, True))
    found = [
        i
        for i, t in enumerate(rows)
        if t.style == arm.style and (t.tag == "e2hqa") in kinds and (arm.data == "unfiltered" or key(t) in kept)
    ]
    if len(found) < max(1, arm.count):
        raise ValueError(
            f"got {len(found)} trajectories of style {arm.style}, data {arm.data}, wanted {arm.count or 'at least 1'}: "
            "ask more questions in 02 and 03 (short_samples, long_samples, long_questions), or lower few and ladder"
        )
    random.Random(f"{arm.seed}-draw").shuffle(found)
    return found[: arm.count or None]


class Material:
    """All that the arms learn from and are asked, read once.

    Args:
        folder: the artifacts of 01 to 04. setup: sizes and limits.

    Raises:
        FileNotFoundError: a file is missing; names the notebook that writes it.
    """

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.folder, self.setup, self.digests = folder, setup, digests(folder)
        self.rows = read_jsonl(folder / "trajectories.jsonl", Trajectory)
        self.kept = {key(t) for t in read_jsonl(folder / "kept.jsonl", Trajectory)}
        self.pages = {name: read_jsonl(folder / f"pages_{name}.jsonl", Page) for name in ("train", "rl", "heldout")}
        found = read_jsonl(folder / "questions.jsonl", Question)
        self.asked = evaluate.choose(found, setup.questions)
        self.practice = dapo_batch.divide(found, 0, 0)[0]

    @cached_property
    def tokenizer(self) -> Any:
        """One tokenizer for all arms, trained as in 05 on the trajectories and the training pages."""
        train = self.pages["train"]
        urls = tokens.url_pieces(p.url for p in train)
        return tokens.train_tokenizer(
            tokens.corpus(self.rows, train), self.setup.vocabulary, urls, self.setup.max_length
        )

    @cached_property
    def examples(self) -> list[Example]:
        """Every trajectory as ids and mask, place by place as in `rows`, however long."""
        s = self.setup
        prepared, _ = sft_data.prepare(
            self.rows, self.tokenizer, prompt_style=s.prompt_style, date=s.date, max_length=ANY_LENGTH
        )
        return prepared

    @cached_property
    def names(self) -> list[list[int]]:
        """Groups of ids that may stand for one another in an episode, as in 05."""
        return sft_data.name_groups(self.tokenizer, self.examples, [p.title for p in self.pages["train"]])

    def _fits(self, example: Example) -> bool:
        return len(example.ids) <= self.setup.max_length

    @property
    def reading(self) -> list[Example]:
        """What every policy reads before SFT: the observations of all trajectories, of both styles."""
        return observed(filter(self._fits, self.examples))

    def lessons(self, arm: Arm) -> list[Example]:
        """What an arm is taught; raises `ValueError` as `chosen`."""
        return [e for i in chosen(self.rows, self.kept, arm) if self._fits(e := self.examples[i])]

    @cached_property
    def practice_tools(self) -> Any:
        """Search and visit over the practice and the training web."""
        return self._tools(self.pages["rl"] + self.pages["train"])

    @cached_property
    def exam_tools(self) -> Any:
        """Search and visit over the held-out web."""
        return self._tools(self.pages["heldout"])

    def _tools(self, pages: list[Page]) -> Any:
        s = self.setup
        shown: Mapping[str, Any] = {
            "search_results": s.search_results,
            "snippet_words": s.snippet_words,
            "max_observation_chars": s.max_observation_chars,
        }
        return toolbox.build(pages, {**OFFLINE, **shown})
