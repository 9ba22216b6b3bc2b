"""Our reward in verl: 0.1 form + 0.9 answer, with the answer alone as `acc`, by which groups are filtered.

verl (0.9) imports it in its reward workers, through `reward.py` and the flags of an export (`scale.verl_export`). In:
an episode. Out: `score`, `acc` and the parts. An answer is right as in 06_dapo: equal to the gold one after
normalisation, in an episode that no limit cut off. `RewardManager` is verl's DAPO manager, which besides hands on what
the loop knows of the episode; soft overlong punishment is the manager's own. Departure from the paper: it asks a model
whether an answer is right (M_j); here, as in 06_dapo, a rule decides.
"""

import importlib.util
import re
from typing import Any

from webdancer import dapo_batch
from webdancer.agent import judge
from webdancer.core import protocol
from webdancer.scale.verl_loop import NAME

if importlib.util.find_spec("verl"):
    from verl.experimental.reward_loop.reward_manager.dapo import DAPORewardManager
else:  # what needs no verl is used and tested without it
    DAPORewardManager = object

# An observation in the text of an episode, with the roles that a chat template may leave around it.
_HEARD = re.compile(r"\s*(?:user\s*)?(<tool_response>\n.*?\n</tool_response>)\s*(?:assistant\s*)?", re.DOTALL)


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None, **more: Any
) -> dict[str, float]:
    """The reward of an episode, in the form that verl wants.

    Args:
        data_source: of the row; not used. ground_truth: the gold answer. more: what verl adds; not used.
        solution_str: the text of the response without special tokens. It is read only where the loop's own word is
            missing: from text alone an observation that the policy invented looks like a real one.
        extra_info: of the row, with what the loop says under "webdancer" if `RewardManager` called.

    Returns:
        `score`, what is optimised; `acc`, 1 for a right answer (`algorithm.filter_groups.metric=acc`); and the parts
        `format`, `truncated` and `calls`.

    >>> compute_score("", "<think>\\nI know.\\n</think>\\n<answer>\\nTal\\n</answer>", "Tal")["score"]
    1.0
    """
    known = (extra_info or {}).get(NAME) or read(solution_str)
    right = not known["truncated"] and dapo_batch.exact(known["prediction"], ground_truth)
    return {
        "score": judge.reward(known["format_ok"], right),
        "acc": float(right),
        "format": float(known["format_ok"]),
        "truncated": float(known["truncated"]),
        "calls": float(known["n_calls"]),
    }


def read(text: str) -> dict[str, Any]:
    """What the text of an episode shows of it, in the form of `verl_loop.told`; an episode without an answer at its end
    counts as cut off.
    """
    parts = [part.strip() for part in _HEARD.split(text)]
    messages = [{"role": "user", "content": "?"}]
    messages += [{"role": ("assistant", "user")[i % 2], "content": part} for i, part in enumerate(parts)]
    try:
        answer = protocol.parse_turn(parts[-1]).answer
    except protocol.ProtocolError:
        answer = None
    calls = sum("<tool_call>" in part for part in parts[::2])
    ok = answer is not None and judge.format_ok(messages)
    return {"prediction": answer or "", "truncated": answer is None, "format_ok": ok, "n_calls": calls}


class RewardManager(DAPORewardManager):
    """verl's DAPO reward manager, with the loop's word on the episode in `extra_info`."""

    async def run_single(self, data: Any) -> dict[str, Any]:
        """Reward and its parts of the last sequence in `data`."""
        data = data[-1:]
        (fields,) = data.non_tensor_batch.get("tool_extra_fields", [{}])
        if NAME in (fields or {}):
            infos = data.non_tensor_batch.get("extra_info")
            rows = data.non_tensor_batch["data_source"].copy().astype(object)
            rows[0] = {**(infos[0] if infos is not None else {}), NAME: fields[NAME]}  # a copy: a group shares its row
            data.non_tensor_batch["extra_info"] = rows
        return await super().run_single(data)
