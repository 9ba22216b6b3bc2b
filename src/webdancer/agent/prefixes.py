"""Prefix sharing in the trainer: what the samples of a question have in common is computed once.

Stage 06 trains on groups of samples of one question. They share the prompt, often the first searches and what the tools
answered, and so most of their tokens. Laid out as a tree, every common beginning stands in one row once; each token
looks at the tokens on its path to the root, and so sees what it would see in its own episode. Log-probabilities and
gradients are the same; the work shrinks to the tokens that differ. Rollouts do the same (`table`). Shown in 06_dapo.

Departure from the paper: it does not say whether it shared. The idea has several names: prefix sharing, shared-prefix
forward, tree training; inference servers do it in their caches (RadixAttention, arXiv 2312.07104).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface

from webdancer.agent import unsloth_policy
from webdancer.agent.policy import decoder

ATTENTION = "webdancer_tree"
ORDINARY = ("sdpa", "eager")  # attentions that `attend` may stand in for


@dataclass(frozen=True)
class Tree:
    """Sequences with common beginnings, laid out in one row of `len(ids)` nodes.

    `ids` and `positions`: token and depth of each node. `paths`: the nodes of each sequence, in the order given. Nodes
    that continue each other without a branch are a piece, `pieces` its lengths, in the order of the nodes. `runs`: how
    many new nodes each sequence that brought any added, and the pieces on the path of its last node.
    """

    ids: np.ndarray
    positions: np.ndarray
    paths: list[np.ndarray]
    pieces: list[int]
    runs: list[tuple[int, list[int]]]


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common.

    >>> common([1, 2, 3], [1, 2, 4, 5]), common([1], [1]), common([1], [2])
    (2, 1, 0)
    """
    length = min(len(first), len(second))
    differ = np.flatnonzero(np.asarray(first[:length]) != np.asarray(second[:length]))
    return int(differ[0]) if len(differ) else length


def lay(sequences: Sequence[Sequence[int]]) -> Tree:
    """The tree of some sequences of token ids.

    In sorted order a sequence shares with those before it what it shares with the last of them, so that its new nodes
    are one run.

    Raises:
        ValueError: there is none, or one is empty.

    >>> tree = lay([[5, 6, 7], [5, 6, 8, 9]])
    >>> tree.ids.tolist(), tree.positions.tolist(), [p.tolist() for p in tree.paths]
    ([5, 6, 7, 8, 9], [0, 1, 2, 2, 3], [[0, 1, 2], [0, 1, 3, 4]])
    >>> tree.pieces, tree.runs
    ([2, 1, 2], [(3, [0, 1]), (2, [0, 2])])
    """
    if not sequences or not all(len(s) for s in sequences):
        raise ValueError(f"got {len(sequences)} sequences, wanted at least one, and none that is empty")
    arrays = [np.asarray(s) for s in sequences]
    paths: list[np.ndarray] = [np.empty(0, int)] * len(arrays)
    ids, positions, runs, cuts, nodes = [], [], [], {0}, 0
    last: int | None = None
    for number in sorted(range(len(arrays)), key=lambda n: list(sequences[n])):
        known = 0 if last is None else common(arrays[last], arrays[number])
        new = len(arrays[number]) - known
        path = np.arange(nodes, nodes + new)
        if known:
            cuts.add(int(paths[last][known - 1]) + 1)
            path = np.concatenate([paths[last][:known], path])
        paths[number], last = path, number
        if new:
            ids.append(arrays[number][known:])
            positions.append(np.arange(known, known + new))
            cuts.add(nodes)
            runs.append((new, path))
            nodes += new
    starts = np.array(sorted(cut for cut in cuts if cut < nodes))
    return Tree(
        np.concatenate(ids),
        np.concatenate(positions),
        paths,
        np.diff([*starts, nodes]).tolist(),
        [(new, np.unique(np.searchsorted(starts, path, "right") - 1).tolist()) for new, path in runs],
    )


def parts(sequences: Sequence[Sequence[int]], most: int, multiple: int = 1) -> list[list[int]]:
    """Cut sequences into parts of about equal work, with at most `most` nodes each or one sequence.

    Args:
        sequences: token ids. most: nodes a part. multiple: their number is a multiple of it where that can be; so many
            are computed side by side.

    Returns:
        Indices of `sequences` in each part; those with a common beginning side by side.

    >>> parts([[1, 2, 3], [4, 5, 6], [1, 2, 7]], 4)
    [[0, 2], [1]]
    """
    order = sorted(range(len(sequences)), key=lambda n: list(sequences[n]))
    shared = [0] + [common(sequences[a], sequences[b]) for a, b in zip(order, order[1:], strict=False)]
    new = [len(sequences[n]) - known for n, known in zip(order, shared, strict=True)]
    count = -(-sum(new) // most)
    count = -(-count // multiple) * multiple
    aim = min(most, -(-sum(new) // count))
    found: list[list[int]] = []
    nodes = 0
    for n, fresh in zip(order, new, strict=True):
        if found and nodes + fresh <= (most if len(found) == count else aim):
            found[-1].append(n)
            nodes += fresh
        else:
            found.append([n])
            nodes = len(sequences[n])
    return found


def fits(model: Any) -> bool:
    """Whether `hidden` can compute this model: transformers' own forward pass, every layer looking at everything."""
    if unsloth_policy.is_patched(model) or not hasattr(getattr(model, "config", None), "_attn_implementation"):
        return False
    config = decoder(model).config
    full = all(kind == "full_attention" for kind in getattr(config, "layer_types", None) or ["full_attention"])
    return (
        full and not getattr(config, "sliding_window", None) and config._attn_implementation in (*ORDINARY, ATTENTION)
    )


def hidden(model: Any, tree: Tree) -> torch.Tensor:
    """The last hidden state `[nodes, width]`. Where activations are recomputed, call `backward` in `attending` too."""
    device = model.get_output_embeddings().weight.device
    ids, positions = (torch.from_numpy(rows)[None].to(device) for rows in (tree.ids, tree.positions))
    masks = [
        (torch.arange(path)[None] <= torch.arange(path - new, path)[:, None]).to(device) if path > new else None
        for new, path in ((new, sum(tree.pieces[p] for p in pieces)) for new, pieces in tree.runs)
    ]
    with attending(decoder(model).config):
        out = decoder(model)(input_ids=ids, position_ids=positions, tree=tree, masks=masks, use_cache=False)
    return out.last_hidden_state[0]


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    tree: Tree,
    masks: Sequence[torch.Tensor | None],
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each node to its path; shapes are those of transformers' attention functions.

    Args:
        query: `[1, heads, nodes, dim]`. key, value: `[1, kv heads, nodes, dim]`. attention_mask: not used.
        tree: the layout. masks: for each run `[new, path]`, True where a node may look; None for plain causal.

    Returns:
        `[1, nodes, heads, dim]`, and None for the attention weights.
    """
    keys, values = (whole.split(tree.pieces, dim=2) for whole in (key, value))  # one cut: its backward is one copy
    queries = query.split([new for new, _ in tree.runs], dim=2)
    found = [
        torch.nn.functional.scaled_dot_product_attention(
            asked,
            torch.cat([keys[p] for p in pieces], dim=2),
            torch.cat([values[p] for p in pieces], dim=2),
            mask,
            is_causal=mask is None,
            scale=scaling,
            dropout_p=dropout,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        for asked, mask, (_, pieces) in zip(queries, masks, tree.runs, strict=True)
    ]
    return torch.cat(found, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attend)


@contextmanager
def attending(config: Any) -> Iterator[None]:
    """Let a model attend by `attend` for a while. Its forward then needs `tree` and `masks`."""
    before = config._attn_implementation
    config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = before
