"""Part of stage 07: what an evaluation has played is on disk while it goes on, so that a killed run goes on from there.

In: agents, questions, tools. Out: predictions, the same whether the run was interrupted or not. Shown in
notebooks/07_evaluate.ipynb. A local policy is kept in chunks of questions: which they are depends on the questions
alone, and a chunk that was not finished is played again as a whole, so that what runs beside what, and with it the last
digit of a logit, comes out the same. An endpoint is kept episode by episode (`agent.partial`). The names of the files
carry a hash of all that the episodes depend on: a file of another run is never read. The paper says nothing of this.
"""

import hashlib
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from webdancer import evaluate
from webdancer.agent import judge, partial
from webdancer.core import fingerprint, ledger
from webdancer.core.record import describe
from webdancer.core.schema import Question, Trajectory, from_row, to_row
from webdancer.core.vault import Vault
from webdancer.evaluate_predictions import Match, Prediction, score

CHUNK = 128  # questions played and kept together
TOOL_PARAMETERS = (
    "endpoint", "search_results", "snippet_words", "max_observation_chars", "search_engine", "live_visits", "recording",
    "recording_mode",
)  # fmt: skip
Play = Callable[[Sequence[Question]], Sequence[Trajectory]]


def depends(parameters: Mapping[str, Any], pages: Path, reader: Any = None) -> list[Any]:
    """What episodes depend on beside agents and questions, for `about` of `Store`: what the tools show.

    Args:
        parameters: of the notebook; those of `TOOL_PARAMETERS` count.
        pages: the file with the pages that can be searched.
        reader: the summariser, if there is one.
    """
    shown = {name: parameters[name] for name in TOOL_PARAMETERS if name in parameters}
    return [shown, describe(pages)["sha256"], [reader.model, reader.max_tokens] if reader else []]


class Store:
    """The episodes of an evaluation in the making, in files beside that of its predictions.

    `seconds` holds, for each agent, how long its episodes took in all; None if that is not known, because an
    interrupted run of an endpoint was taken up.

    Args:
        path: the file that the predictions will be in.
        about: plain data that all episodes depend on (`depends`).
        chunk: questions of a local policy that are kept together.
        vault: of a secret benchmark: all that is kept is sealed.
    """

    def __init__(self, path: Path, about: Any = (), *, chunk: int = CHUNK, vault: Vault | None = None) -> None:
        if chunk < 1:
            raise ValueError(f"got chunks of {chunk} questions, wanted at least 1")
        self.path, self.about, self.chunk, self.vault = Path(path), about, chunk, vault
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.seconds: dict[str, float | None] = {}
        self._files: set[Path] = set()

    def policy(
        self,
        name: str,
        folder: Path | None,
        policy: Any,
        questions: Sequence[Question],
        tools: Any,
        *,
        engine: Any = None,
        match: Match = judge.match,
        progress: bool = True,
        **dials: Any,
    ) -> list[Prediction]:
        """`evaluate.run_policy`, kept chunk by chunk.

        Args:
            folder: that `policy` was loaded from; its content is part of what the episodes depend on.
            progress: draw a progress bar. The others: as there.

        Raises:
            ValueError: no questions.
        """

        def play(some: Sequence[Question]) -> list[Trajectory]:
            label = {"progress": name} if progress else {}
            done = evaluate.run_policy(name, policy, some, tools, engine=engine, **label, **dials)
            return [p.trajectory for p in done]

        who = [name, describe(folder)["sha256"] if folder else "", dials, _tables(policy), _code()]
        return score(name, self.chunks(name, who, questions, play), match)

    def chunks(self, name: str, who: Any, questions: Sequence[Question], play: Play) -> list[Trajectory]:
        """The episodes that `play` makes of the questions, chunk by chunk; a chunk that is kept is not played again.

        Args:
            name: of the agent. who: plain data, all that its episodes depend on beside questions and `about`.

        Raises:
            ValueError: no questions.
        """
        evaluate.some(questions)
        kept, found, spent = self._ledger(name, who, questions), [], 0.0
        for number, start in enumerate(range(0, len(questions), self.chunk)):
            if str(number) not in kept:
                began = time.monotonic()
                episodes = play(questions[start : start + self.chunk])
                rows = [to_row(self.vault.hide(t) if self.vault else t) for t in episodes]
                kept.add(str(number), {"seconds": time.monotonic() - began, "episodes": rows})
            episodes = [from_row(row, Trajectory) for row in kept[str(number)]["episodes"]]
            found += [self.vault.show(t) if self.vault else t for t in episodes]
            spent += kept[str(number)]["seconds"]
        self.seconds[name] = spent
        return found

    def endpoint(
        self,
        name: str,
        llm: Any,
        questions: Sequence[Question],
        tools: Any,
        *,
        settings: Any,
        match: Match = judge.match,
        **dials: Any,
    ) -> list[Prediction]:
        """`evaluate.run_endpoint`, kept episode by episode; one that ended in an endpoint error is run again.

        The code is no part of what these episodes depend on: they may have cost money.

        Args:
            settings: `react.Settings`. The others: as there.

        Raises:
            ValueError: no questions. EndpointError: the endpoint refuses; what is finished is kept.
        """
        evaluate.some(questions)
        who = [name, llm.model, llm.max_tokens, getattr(llm, "top_p", None), getattr(llm, "extra", None)]
        part = partial.path_for(self.path, who, settings, questions, self.about)
        clock = self._ledger(name, [who, part.name], questions)
        self._files.add(part)
        fresh, began = not part.is_file(), time.monotonic()
        done = evaluate.run_endpoint(
            name, llm, questions, tools, match=match, settings=settings, partial=part, vault=self.vault, **dials
        )
        if fresh:
            clock.add("seconds", time.monotonic() - began)
        self.seconds[name] = clock["seconds"] if "seconds" in clock else None
        return done

    def close(self) -> None:
        """Remove the files: the predictions are written, and nothing is left that may have to be done again."""
        for path in self._files:
            path.unlink(missing_ok=True)

    def _ledger(self, name: str, who: Any, questions: Sequence[Question]) -> ledger.Ledger:
        """What is kept of an agent; the file's name says whose it is."""
        asked = [(q.id, q.question, q.answer) for q in questions]
        plain = re.sub(r"[^\w-]+", "-", name)
        path = ledger.beside(self.path.with_stem(f"{self.path.stem}.{plain}"), who, asked, self.about, self.chunk)
        self._files.add(path)
        return ledger.Ledger(path)


def _tables(policy: Any) -> list[int]:
    """How many processes and threads share the episodes: what runs beside what depends on it."""
    torch = sys.modules.get("torch")
    return [getattr(getattr(policy, "workers", None), "parts", 1), torch.get_num_threads() if torch else 1]


@cache
def _code() -> str:
    """A hash of the modules that play episodes: what an older version played is not gone on with."""
    names = sorted(fingerprint.modules(["from webdancer.agent import rollout", "from webdancer.web import toolbox"]))
    files = [Path(spec.origin) for name in names if (spec := find_spec(name)) and spec.origin]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
