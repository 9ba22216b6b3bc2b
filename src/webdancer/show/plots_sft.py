"""Tables and figures of 05_sft: tokens on screen, checks of the mask, the loss curve of a run in two phases, tries.

In: a policy and its tokenizer, trajectories, `sft_data.Example` records, the logs of `sft.train`, episodes. Out:
strings, numbers, pandas data frames, and matplotlib figures drawn from them. Ours; the paper shows none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from webdancer.agent import judge, packed, tokens
from webdancer.agent.policy import Policy, trained_logits
from webdancer.agent.rollout import Episode
from webdancer.core.protocol import turns_of
from webdancer.core.schema import Question, Trajectory
from webdancer.show.plots import COLOURS, figure

READING, SFT = "reading", "sft"  # the phases of a run; a policy that was pre-trained needs only the second


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text: joined they are `decode(ids)`, so that spaces between words stay visible.

    Decoding tokens one by one would lose every space that stands between two words. A character of several bytes
    appears with the token of its last byte.

    Args:
        tokenizer: a Hugging Face tokenizer. `ids`: a few hundred at most, for the time grows with their square.
    """
    texts, said = [], ""
    for end in range(1, len(ids) + 1):
        whole = tokenizer.decode(ids[:end])
        grown = whole if end == len(ids) else whole.rstrip("\ufffd")
        texts.append(grown[len(said) :])
        said = grown if len(grown) > len(said) else said
    return texts


def exact_turns(tokenizer: Any, trajectories: Sequence[Trajectory]) -> tuple[int, int]:
    """In how many assistant turns the tokens under the mask, decoded, are the turn to the letter; and of how many."""
    exact = turns = 0
    for trajectory in trajectories:
        done = tokens.render(tokenizer, trajectory.messages)
        said = turns_of(trajectory.messages)
        got = [tokenizer.decode(done.ids[a:b]).removesuffix(tokenizer.eos_token) for a, b in done.spans]
        exact += sum(g == s for g, s in zip(got, said, strict=True))
        turns += len(said)
    return exact, turns


def token_costs(policy: Policy, example: Any) -> list[float]:
    """The loss of each token of an `sft_data.Example` in nats, 0.0 where the mask says that it does not count."""
    device = next(policy.model.parameters()).device
    ids, mask = (torch.tensor([part], device=device) for part in (example.ids, example.mask))
    with torch.inference_mode():
        logits, targets = trained_logits(policy.model, ids, mask)
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none").tolist()
    rest = iter(losses)
    return [next(rest) if trained and at else 0.0 for at, trained in enumerate(example.mask)]


def costs_by_turn(policy: Policy, examples: Sequence[Any]) -> pd.DataFrame:
    """One row a turn of the assistant (1 is the first): episodes that have it, its trained tokens, and their mean loss.

    Args:
        examples: `sft_data.Example` records; a turn is a run of trained tokens.
    """
    rows = []
    for example in examples:
        turn, before = 0, False
        for cost, trained in zip(token_costs(policy, example), example.mask, strict=True):
            turn += trained and not before
            before = trained
            if trained:
                rows.append((turn, id(example), cost))
    data = pd.DataFrame(rows, columns=["turn", "episode", "loss"])
    found = data.groupby("turn").agg(episodes=("episode", "nunique"), tokens=("loss", "size"), loss=("loss", "mean"))
    return found.reset_index()


def turns_figure(data: pd.DataFrame) -> Figure:
    """Bars of the loss by turn; `data` as `costs_by_turn` makes it. Above each bar, in how many episodes it is."""
    fig, (axis,) = figure()
    bars = axis.bar(data["turn"].astype(str), data["loss"], color=COLOURS[0], width=0.7)
    axis.bar_label(bars, [f"{n} ep." for n in data["episodes"]], fontsize=8)
    common = data[data["episodes"] >= data["episodes"].max() / 10]  # a turn that few reach says little
    dearest = data.loc[common["loss"].idxmax()]
    axis.set(
        title=f"Turn {dearest['turn']:.0f} is the hardest: {dearest['loss']:.3f} nats a token",
        xlabel="turn of the assistant",
        ylabel="loss (nats a token, mean)",
    )
    return fig


def mask_figure(lengths: Sequence[int]) -> Figure:
    """The attention of a packed row: which token (down) may look at which (across); white is forbidden."""
    fig, (axis,) = figure(width=3.6, height=3.6)
    seen = packed.block_mask(lengths).numpy()
    axis.imshow(np.where(seen, 1.0, np.nan), cmap=ListedColormap([COLOURS[0]]), interpolation="none")
    for edge in np.cumsum(lengths)[:-1]:
        axis.axhline(edge - 0.5, color=COLOURS[-1], linewidth=1.0)
        axis.axvline(edge - 0.5, color=COLOURS[-1], linewidth=1.0)
    size = sum(lengths)
    axis.set(
        title=f"{seen.sum()} of {size * size} pairs may meet",
        xlabel="token that is looked at",
        ylabel="token that looks",
        xticks=range(size),
        yticks=range(size),
    )
    return fig


def tries_table(runs: Mapping[str, Sequence[Episode]], questions: Sequence[Question]) -> pd.DataFrame:
    """One row a policy: tries, and how many of them were answered, right by rule (`judge.match`) and in form.

    Args:
        runs: policy name to its episodes, one a question in the order of `questions`.
    """
    rows = []
    for name, episodes in runs.items():
        pairs = zip(episodes, questions, strict=True)
        right = sum(judge.match(e.prediction, q.answer) for e, q in pairs)
        answered = sum(e.stop == "answer" for e in episodes)
        rows.append((name, len(episodes), answered, right, sum(e.format_ok for e in episodes)))
    return pd.DataFrame(rows, columns=["policy", "tries", "answered", "right", "form_ok"])


def lengths(examples: Sequence[Any]) -> pd.DataFrame:
    """One row a number of hops: episodes, mean tokens of context (read) and mean trained tokens (written).

    Args:
        examples: `sft_data.Example` records.
    """
    rows = [(e.hops, len(e.ids) - sum(e.mask), sum(e.mask)) for e in examples]
    data = pd.DataFrame(rows, columns=["hops", "context", "trained"])
    means = data.groupby("hops").agg(
        episodes=("trained", "size"), context=("context", "mean"), trained=("trained", "mean")
    )
    return means.reset_index()


def lengths_figure(data: pd.DataFrame) -> Figure:
    """Stacked bars of context and trained tokens by hops; `data` as `lengths` makes it."""
    fig, (axis,) = figure()
    names = data["hops"].astype(str)
    below = np.zeros(len(data))
    parts = {"context": (COLOURS[-1], "read: no loss"), "trained": (COLOURS[0], "written: trained")}
    for column, (colour, label) in parts.items():
        axis.bar(names, data[column], bottom=below, color=colour, label=label, width=0.7)
        below += data[column].to_numpy()
    written = (data["episodes"] * data["trained"]).sum()
    share = written / max(written + (data["episodes"] * data["context"]).sum(), 1)
    axis.set(
        title=f"The loss acts on {share:.0%} of the tokens",
        xlabel="hops of the question",
        ylabel="tokens an episode (mean)",
    )
    axis.legend(frameon=False)
    return fig


def joined(reading: pd.DataFrame | None, taught: pd.DataFrame) -> pd.DataFrame:
    """The logs of both phases as one: a column `phase` in front, steps and seconds counted on.

    Args:
        reading: log of the training on every token, None or empty if there was none. `taught`: log of SFT.
    """
    if reading is None or reading.empty:
        return taught.assign(phase=SFT)[["phase", *taught.columns]]
    later = taught.assign(
        step=taught["step"] + len(reading), seconds=taught["seconds"] + reading["seconds"].iloc[-1], phase=SFT
    )
    log = pd.concat([reading.assign(phase=READING), later], ignore_index=True)
    return log[["phase", *taught.columns]]


def loss_figure(log: pd.DataFrame, title: str, smooth: int = 20) -> Figure:
    """The loss over the steps on a log axis: raw values thin, the running mean of each phase thick.

    The steps of reading are shaded: there the loss counts every token, afterwards the assistant's only, so the two
    lines do not measure the same. Squares, which do, are the loss on trajectories set aside.

    Args:
        log: as `joined` makes it; the squares are drawn from a column `aside`, if there is one.
        smooth: steps in the running mean.
    """
    fig, (axis,) = figure(width=8.0, height=4.0)
    axis.plot(log["step"], log["loss"], color=COLOURS[0], alpha=0.3, linewidth=1.0)
    names = {READING: ("--", "training, every token"), SFT: ("-", "training, assistant's tokens")}
    for phase, part in log.groupby("phase", sort=False):
        dashes, label = names[phase]
        mean = part["loss"].rolling(max(1, min(smooth, len(part) // 5)), min_periods=1).mean()
        axis.plot(part["step"], mean, color=COLOURS[0], linestyle=dashes, linewidth=2.0, label=label)
        if phase == READING:
            axis.axvspan(0, len(part), color=COLOURS[1], alpha=0.15, linewidth=0, label="learning to read")
    if "aside" in log and log["aside"].notna().any():
        seen = log.dropna(subset="aside")
        axis.plot(seen["step"], seen["aside"], "s", color=COLOURS[5], label="set aside, assistant's tokens")
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    marks = [digit * 10.0**power for power in range(-5, 3) for digit in (1, 2, 5)]
    marks = [mark for mark in marks if low <= mark <= high]
    axis.set_yticks(marks, [f"{mark:g}" for mark in marks])  # 0.2, not 2 x 10^-1
    axis.minorticks_off()
    axis.set(title=title, xlabel="step", ylabel="loss (nats a token)", xlim=(0, len(log)))
    axis.legend(frameon=False, fontsize=8, loc="lower left")
    return fig
