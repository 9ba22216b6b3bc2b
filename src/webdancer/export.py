"""Kept trajectories in the chat layouts of other trainers: TRL, LLaMA-Factory, verl. Called at the end of 04_filter.

In: trajectories in the released form. Out: a folder with one layout each, the messages word for word. Every one of the
three trains on all assistant turns if it is told to, and each has a trap, which the README beside the files names. What
they share with our own 05_sft are the texts; token ids and masks are the trainer's own business there (`agent.tokens`
makes ours). Nothing here is from the paper, which released no training data layout.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from webdancer.core.protocol import question_of
from webdancer.core.record import atomic_path
from webdancer.core.schema import Trajectory

Messages = list[dict[str, str]]
NAME = "webdancer_kept"  # of the data set in LLaMA-Factory's list

README = """# The kept trajectories for other trainers

The same episodes three times, `system`, `user` and `assistant` messages in the released WebDancer form. Observations
are `user` messages: every trainer below leaves them out of the loss once it is told to train on assistant turns only.

| folder | trainer | how it is opened | mind |
|---|---|---|---|
| `trl/` | TRL `SFTTrainer` | `load_dataset("json", data_files="trl/train.jsonl")` | `assistant_only_loss=True` needs a chat template with `{% generation %}` marks: the stock Qwen templates have none, and the masks come back empty with only a warning |
| `llama_factory/` | LLaMA-Factory | `dataset_dir: .../llama_factory`, `dataset: webdancer_kept` | `mask_history: false`, or only the last turn is trained |
| `verl/` | verl, multi-turn SFT | `data.train_files=.../verl/train.parquet data.multiturn.enable=true` | a template that drops earlier thoughts (Qwen3's own) drops them here too |

Whichever you take: decode the trained tokens of one episode and look whether they are what the assistant wrote.
"""  # noqa: E501


def chat(trajectory: Trajectory) -> Messages:
    """The messages of a trajectory as plain dictionaries, after a check of what all three trainers rely on.

    Raises:
        ValueError: no messages, an unknown role, or user and assistant do not alternate up to a last assistant turn.
            (LLaMA-Factory skips such an episode with a warning, the others train on it.)
    """
    messages = [{"role": m["role"], "content": m["content"]} for m in trajectory.messages]
    roles = [m["role"] for m in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        name = trajectory.question_id or (question_of(messages)[:60] if "user" in roles else "")
        raise ValueError(
            f"trajectory {name!r}: got the roles {', '.join(roles) or 'none'}; wanted system (or none), then user and "
            "assistant in turns: export what 04_filter kept"
        )
    return messages


def _trl(rows: Sequence[Messages], folder: Path) -> None:
    """One JSON object a line, `{"messages": [...]}`: TRL's conversational language modelling."""
    with open(folder / "train.jsonl", "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"messages": row}, ensure_ascii=False) + "\n" for row in rows)


def _llama_factory(rows: Sequence[Messages], folder: Path) -> None:
    """ShareGPT formatting with our own tags, and the `dataset_info.json` that names the file."""
    with open(folder / "train.json", "w", encoding="utf-8") as out:
        json.dump([{"messages": row} for row in rows], out, ensure_ascii=False)
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    entry = {"file_name": "train.json", "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    (folder / "dataset_info.json").write_text(json.dumps({NAME: entry}, indent=2) + "\n", encoding="utf-8")


def _verl(rows: Sequence[Messages], folder: Path) -> None:
    """Parquet with a column `messages`, a list of `{role, content}`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    table = pa.table({"messages": pa.array(rows, type=pa.list_(message))})
    pq.write_table(table, folder / "train.parquet")


LAYOUTS: dict[str, Callable[[Sequence[Messages], Path], None]] = {
    "trl": _trl,
    "llama_factory": _llama_factory,
    "verl": _verl,
}


def write(folder: Path, trajectories: Iterable[Trajectory]) -> Path:
    """Write all layouts and a README; the folder appears whole or not at all.

    Args:
        folder: replaced if it is there.
        trajectories: what 04_filter kept.

    Returns:
        `folder`, with one folder for each of `LAYOUTS`.

    Raises:
        ValueError: there is no trajectory, or one that `chat` refuses; an earlier folder stays as it was.
    """
    rows = [chat(trajectory) for trajectory in trajectories]
    if not rows:
        raise ValueError("got no trajectories to export, wanted at least one: see what 04_filter dropped")
    with atomic_path(folder) as temporary:
        for name, layout in LAYOUTS.items():
            place = Path(temporary) / name
            place.mkdir(parents=True)
            layout(rows, place)
        (Path(temporary) / "README.md").write_text(README, encoding="utf-8")
    return folder
