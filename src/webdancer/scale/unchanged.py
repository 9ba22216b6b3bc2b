"""What must not change on the way to other engines, checked on this machine: gradients, losses, observations, masks.

Used by 09_scale. In: a model, trajectories, a file of pages, an export for verl. Out: numbers and tables that say
whether two ways came to the same. The paper trains on 256 GPUs and says nothing about such checks.
"""

import atexit
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import torch
import yaml

from webdancer import sft, sft_data
from webdancer.agent import policy, tokens
from webdancer.agent.episode import Limits
from webdancer.core import params, record
from webdancer.core.schema import Trajectory, read_jsonl
from webdancer.scale import sft_launch, verl_launch, verl_loop
from webdancer.scale.client import Client
from webdancer.web import functions

Message = dict[str, str]


def gradient(model: Any, part: Sequence[sft_data.Example]) -> tuple[torch.Tensor, int]:
    """The gradient of the summed loss of some examples, flat, and the number of their trained tokens."""
    model.zero_grad()
    loss, count = sft.loss_sum(model, *sft_data.collate(part, 0))
    loss.backward()
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return flat, count


def distances(model: Any, parts: Sequence[Sequence[sft_data.Example]]) -> dict[str, float]:
    """How far two ways to put gradients of parts together lie from that of the whole batch.

    Returns:
        For "sum over sum" and "mean of means" the norm of the difference over that of the whole gradient.
    """
    whole, count = gradient(model, [example for part in parts for example in part])
    found = [gradient(model, part) for part in parts]
    ways = {
        "sum over sum": sum(g for g, _ in found) / sum(n for _, n in found),
        "mean of means": sum(g / n for g, n in found) / len(found),
    }
    return {name: ((way - whole / count).norm() / (whole / count).norm()).item() for name, way in ways.items()}


def recipe(**changes: Any) -> dict[str, Any]:
    """Parameters of 05_sft for a few updates of a policy that can read: its defaults but for these and `changes`."""
    few = {"steps": 6, "reading_steps": 0, "rename": False, "aside": 0, "checkpoint_every": 0}
    return params.defaults("05_sft") | few | {"optimizer": "adamw", "lr": 1.0e-3, "warmup": 2} | changes


def alone(model: Path, trajectories: Path, P: Mapping[str, Any]) -> list[float]:
    """The losses of SFT in this process, update by update.

    Args:
        model: folder to start from. trajectories: JSONL. P: parameters of 05_sft, see `recipe`.
    """
    agent = policy.load(model, seed=P["seed"])
    teach, _ = sft_launch.data(read_jsonl(trajectories, Trajectory), agent.tokenizer, P)
    return sft.train(agent, teach, sft.Recipe.of(P))["loss"].tolist()


def launched(model: Path, trajectories: Path, P: Mapping[str, Any], config: str = "two_cpus.yaml") -> list[float]:
    """The same in two processes under `accelerate launch`, with a file of `params/accelerate/`.

    Raises:
        RuntimeError: the launch failed; the message is the end of its own.
    """
    config_file = record.repo_root() / "params" / "accelerate" / config
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "05_sft.yaml"), Path(folder, "out")
        file.write_text(yaml.safe_dump(dict(P)), encoding="utf-8")
        command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--main_process_port", "0"]
        command += ["--config_file", str(config_file), "-m", "webdancer.scale.sft_launch", "--processes", "2"]
        places = {"params": file, "model": model, "trajectories": trajectories, "out": out}
        command += [text for name, path in places.items() for text in (f"--{name}", str(path))]
        quiet = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_DISABLE_RICH": "1"}
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"accelerate launch ended with {done.returncode}: ...{done.stderr.strip()[-1500:]}")
        return pd.read_csv(out.with_suffix(".csv"))["loss"].tolist()


def schemas() -> pd.DataFrame:
    """For each tool its arguments, and whether `transformers` (so TRL, too) reads what the released prompt says."""
    made = [functions.schema(f) for f in functions.bind(None)]
    return pd.DataFrame(
        [
            {"tool": m["name"], "arguments": ", ".join(m["parameters"]["properties"]), "as in the prompt": m == r}
            for m, r in zip(made, functions.shown(), strict=True)
        ]
    )


def missing(*names: str) -> list[str]:
    """A sentence for each package that is not installed here."""
    return [
        f"{name} is not installed here, so that part is not shown: `make test-scale` makes an environment with it"
        for name in names
        if not importlib.util.find_spec(name)
    ]


class Service:
    """A snapshot service of its own, on a free port; it ends with `close`, or with the `with` block.

    Args:
        pages: JSONL file of pages. workers: its processes. dials: of `web.tools.Tools`, such as `results`.
    Raises:
        RuntimeError: it did not start; the message is its own.
    """

    def __init__(self, pages: Path, workers: int = 2, **dials: int) -> None:
        command = [sys.executable, "-m", "webdancer.scale.service", "--pages", str(pages), "--port", "0"]
        command += ["--workers", str(workers)]
        command += [text for name, x in dials.items() for text in (f"--{name.replace('_', '-')}", str(x))]
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=self._errors)
        atexit.register(self.close)  # a notebook that fails leaves no server behind
        said = self._process.stdout.readline()
        if not said:
            self.close()
            self._errors.seek(0)
            raise RuntimeError(f"the snapshot service did not start: {self._errors.read().strip()}")
        self.address = said.split()[0]

    def search(self, questions: Sequence[str], clients: int) -> list[list[str]]:
        """The observations that so many clients get, each for all the questions, all clients at once."""

        def ask(client: Client) -> list[str]:
            return [client.search(question) for question in questions]

        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(ask, [Client(self.address) for _ in range(clients)]))

    def close(self) -> int:
        """End it, if it has not ended; returns its exit code."""
        atexit.unregister(self.close)
        self._process.terminate()
        self._process.stdout.close()
        return self._process.wait(timeout=30)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


async def replay(chats: Sequence[Sequence[Message]], tokenizer: Any, tools: Any, max_tokens: int) -> pd.DataFrame:
    """Recorded episodes once more through the agent loop of a verl export, against our own tokens and masks.

    Args:
        chats: messages of each. tools: asked anew for every observation.
    Returns:
        A row for each: `tokens`, those that are `trained`, and whether `ids` and `mask` are equal to `tokens.render`'s.
    """

    async def one(messages: Sequence[Message]) -> dict[str, Any]:
        turns = iter([m["content"] for m in messages if m["role"] == "assistant"])

        async def sample(ids: list[int], most: int) -> tuple[list[int], None]:
            return [*tokens.encode(tokenizer, next(turns)), tokenizer.eos_token_id], None

        first = [m["role"] for m in messages].index("assistant")
        limits = Limits(max_turns=len(messages), max_tokens=max_tokens, max_turn_tokens=max_tokens)
        episode, _, _ = await verl_loop.play(sample, tokenizer, messages[:first], tools, limits)
        ours = tokens.render(tokenizer, messages)
        row = {"tokens": len(ours.ids), "trained": sum(ours.mask)}
        return row | {"ids": episode.ids == ours.ids, "mask": list(episode.mask) == list(ours.mask)}

    return pd.DataFrame([await one(list(chat)) for chat in chats])


def spaced(trajectories: Sequence[Trajectory], number: int) -> list[Trajectory]:
    """So many of the trajectories, evenly spaced over all of them.

    >>> spaced(range(10), 4)
    [0, 2, 4, 6]
    """
    return list(trajectories[:: max(1, len(trajectories) // max(1, number))][:number])


def settings(profile: str) -> pd.DataFrame:
    """What an export tells verl, setting by setting: by the papers, by the profile, and the source."""
    files = {n: record.repo_root() / "params" / params.folder_of(n) / "06_dapo.yaml" for n in ("paper", profile)}
    found = {n: params.check_file(file, "06_dapo") for n, file in files.items()}
    return pd.DataFrame(
        [
            {"setting": name, "papers": found["paper"][name], profile: found[profile][name], "source": why}
            for _, name, why in verl_launch.SETTINGS
        ]
    )


def flags(export: Path) -> dict[str, str]:
    """The flags of an export's launch script, with the papers' settings; nothing is launched.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    environment = os.environ | {"DRY_RUN": "1", "SETTINGS": "paper"}
    command = ["bash", str(export / "launch.sh")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.splitlines())
