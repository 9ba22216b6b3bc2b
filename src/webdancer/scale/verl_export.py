"""A profile for verl: questions, tools, agent loop, reward, launch script, and a README that says what to install.

    python -m webdancer.scale.verl_export --profile laptop --to FOLDER

For who outgrows `dapo.train` on one machine. In: the artifacts that 06_dapo reads, and its parameters. Out: a folder to
put on a disk that every node reads. Its Python files hold no logic: they name `verl_tools`, `verl_loop` and
`verl_reward` of this package, so that what is trained there is what is tested here. Which questions are practised and
which are set aside is decided as in 06_dapo. Departures from the paper stand in `verl_launch` and `verl_reward`.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from webdancer import dapo_batch
from webdancer.core import params, prompts, record
from webdancer.core.schema import Question, read_jsonl
from webdancer.scale import verl_launch
from webdancer.scale.verl_loop import NAME

PAGES = ("pages_rl.jsonl", "pages_train.jsonl")  # the web of 06_dapo
PROMPT = 2048  # tokens that a prompt may have: the released head has about 1,100; as in verl's DAPO recipe
DIALS = {
    "results": "search_results",
    "snippet_words": "snippet_words",
    "max_observation_chars": "max_observation_chars",
}
LIVE = ("search_engine", "live_visits", "summariser_model")  # what the exported tools do not have

TOOLS = '''"""The tools, registered in verl (`rollout.multi_turn.function_tool_path`)."""

from pathlib import Path

from verl.tools.function_tool import function_tool

from webdancer.scale import verl_tools

PAGES = Path(__file__).with_name("pages.jsonl")
for made in verl_tools.functions(PAGES, {dials}):
    function_tool(made)
'''
LOOP = f"""# The agent loop (`rollout.agent.agent_loop_config_path`); its limits are flags of launch.sh.
- name: {NAME}
  _target_: webdancer.scale.verl_loop.WebDancerLoop
"""
REWARD = '''"""The reward (`reward.custom_reward_function.path`)."""

from webdancer.scale.verl_reward import compute_score as compute_score
'''
README = """# DAPO of the profile `{profile}` with verl 0.9.1

Written by `python -m webdancer.scale.verl_export --profile {profile} --to FOLDER`. Not run on GPUs by us: the tests of
`make test-scale` compose these flags with verl's own configuration, read the data with its data set class, load the
tools with its registry, play recorded episodes through its agent loop, and compare reward, advantage and loss.

| file | what verl does with it |
|---|---|
| `train.parquet` ({train} questions), `validation.parquet` ({validation}) | `RLHFDataset` reads them; practice and dev of 06_dapo |
| `tools.py`, `pages.jsonl` ({pages} pages) | `search` and `visit` as function tools, over a web that stands still |
| `agent_loop.yaml` | our ReAct protocol as agent loop `{name}` (`webdancer.scale.verl_loop`) |
| `reward.py` | 0.1 form + 0.9 answer: `score`, `acc` and the parts (`webdancer.scale.verl_reward`) |
| `launch.sh` | every setting with its source; `DRY_RUN=1 ./launch.sh` prints the flags |

## Install, on every node

Python 3.11 or 3.12. verl wants another transformers than the rest of the project: an environment of its own.

    pip install 'verl[vllm]==0.9.1'     # vLLM 0.24 and torch 2.11 for CUDA, chosen by verl
    pip install --no-deps -e CHECKOUT   # this project
    pip install bm25s httpx lxml protego pyyaml tqdm

vLLM's torch 2.11 and transformers 5.9 are older than the project asks for and were not run by us: the tests ran on a
CPU with torch 2.13 and transformers 5.10 (`tests/scale/constraints.txt` of the checkout). This folder and the model folder must lie on a disk that every node reads, under the same path.

## Run

    # One service for all workers; without it every worker makes an index of its own, fit for small webs.
    python -m webdancer.scale.service --pages pages.jsonl --host 0.0.0.0 --port 8000 {service} &
    export WEBDANCER_TOOLS_URL=http://THIS_NODE:8000
    MODEL=FOLDER_OF_05_SFT NODES=1 GPUS=8 ./launch.sh

The service has no key: keep it in a private network. The model folder must be one saved by 05_sft: its chat template
keeps every message whole; with another the loop stops and says so.

## What is not the same as in 06_dapo

- verl averages the loss over the tokens of an update (so does our default; the papers: of a group).
- Its soft overlong punishment counts the tokens of the response, ours those of the whole episode.
- It computes the old log-probabilities with the trainer (`old_logp="trainer"` here).
- It samples whole groups until the batch is full; 06_dapo stops after `max_rounds`.
{web}- Weights are kept by step (`trainer.save_freq`); the choice by validation accuracy is yours.
- Which tokens are trained, what an observation says, the reward and the advantage are the same; the tests hold them to it.
"""  # noqa: E501


def row(question: Question, split: str, index: int, p: dict[str, Any]) -> dict[str, Any]:
    """A question as verl's data set class wants it.

    `extra_info` has no `tools_kwargs`: an empty struct cannot be written to parquet, and verl takes none for empty.
    """
    return {
        "data_source": NAME,
        "agent_name": NAME,
        "prompt": prompts.head(question.question, p["date"], p["prompt_style"]),
        "ability": "search",
        "reward_model": {"style": "rule", "ground_truth": question.answer},
        "extra_info": {
            "split": split,
            "index": index,
            "id": question.id,
            "kind": question.kind,
            "hops": question.hops,
            "need_tools_kwargs": False,
        },
    }


def write(to: str | Path, profile: str, model: str | Path = "") -> Path:
    """Write the export of a profile; an older one in its place is replaced when the new one is complete.

    Args:
        to: the folder. profile: one of `params/`, whose 01 and 02 have been run.
        model: folder of a model; given, the longest prompt is measured with its tokenizer, else up to 2,048 tokens (a
            quarter of the longest episode, if that is less) are allowed.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: an artifact is missing; the message names the notebook that writes it.
        ValueError: there is something else in the place of the folder; no question is left for practice or validation;
            a prompt leaves no room in an episode.
        ParameterError: the profile has no parameters of 06_dapo, or some that are no good.
    """
    to, root = Path(to), record.repo_root()
    if to.exists() and not (to / "agent_loop.yaml").is_file():
        raise ValueError(f"{to} is there and is no export: name a folder that is not there, or an older export")
    files = [root / "params" / params.folder_of(n) / "06_dapo.yaml" for n in (profile, "paper")]
    ours, paper = (params.check_file(file, "06_dapo") for file in files)
    folder = root / "results" / profile / "artifacts"
    for name in ("questions.jsonl", *PAGES):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{name} of the profile {profile} is missing: run {record.WRITERS[name]} first")
    practice, dev = dapo_batch.divide(
        read_jsonl(folder / "questions.jsonl", Question), ours["dev_questions"], ours["seed"]
    )
    if not dev or not practice:
        raise ValueError(
            f"got {len(practice)} questions to practise and {len(dev)} for validation, wanted some of each"
        )
    rows = {
        name: [row(q, name, i, ours) for i, q in enumerate(found)]
        for name, found in (("train", practice), ("validation", dev))
    }
    most = _longest(rows, model) if model else min(PROMPT, ours["max_tokens"] // 4)
    text = verl_launch.script(profile, ours, paper, most)
    with record.atomic_path(to) as temporary:
        temporary.mkdir()
        _write_data(temporary, rows, [folder / name for name in PAGES])
        _write_text(temporary, text, profile, ours, rows)
    return to


def _longest(rows: dict[str, list[dict[str, Any]]], model: str | Path) -> int:
    """Tokens of the longest prompt."""
    from transformers import AutoTokenizer

    from webdancer.agent import tokens

    tokenizer = AutoTokenizer.from_pretrained(model)
    return max(len(tokens.render(tokenizer, r["prompt"], generate=True).ids) for part in rows.values() for r in part)


def _write_data(folder: Path, rows: dict[str, list[dict[str, Any]]], pages: Sequence[Path]) -> None:
    """The parquet files, and the pages in one file."""
    import pyarrow as pa
    from pyarrow import parquet

    for name, part in rows.items():
        parquet.write_table(pa.Table.from_pylist(part), folder / f"{name}.parquet")
    with open(folder / "pages.jsonl", "wb") as out:
        for path in pages:
            with open(path, "rb") as source:
                shutil.copyfileobj(source, out)


def _write_text(folder: Path, launch: str, profile: str, p: dict[str, Any], rows: dict[str, Any]) -> None:
    """Tool file, agent loop, reward, launch script, README."""
    dials = {dial: p[name] for dial, name in DIALS.items()}
    live = ", ".join(f"`{name}: {p[name]}`" for name in LIVE if p[name])
    with open(folder / "pages.jsonl", "rb") as lines:
        pages = sum(bool(line.strip()) for line in lines)
    texts = {
        "tools.py": TOOLS.replace("{dials}", ", ".join(f"{k}={v}" for k, v in dials.items())),
        "agent_loop.yaml": LOOP,
        "reward.py": REWARD,
        "launch.sh": launch,
        "README.md": README.format(
            profile=profile,
            name=NAME,
            pages=pages,
            train=len(rows["train"]),
            validation=len(rows["validation"]),
            web="" if not live else f"- The tools show stored pages and quote them by rule; the profile has {live}.\n",
            service=" ".join(f"--{k.replace('_', '-')} {v}" for k, v in dials.items()),
        ),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "launch.sh").chmod(0o755)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write an export from the command line."""
    parser = argparse.ArgumentParser(prog="python -m webdancer.scale.verl_export", description="A profile for verl")
    parser.add_argument("--profile", required=True, help="one of params/, whose 01 and 02 have been run")
    parser.add_argument("--to", type=Path, required=True, help="folder to write; an older export there is replaced")
    parser.add_argument("--model", default="", help="model folder, to measure the longest prompt with its tokenizer")
    options = parser.parse_args(arguments)
    try:
        folder = write(options.to, options.profile, options.model)
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{folder}: read README.md there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
