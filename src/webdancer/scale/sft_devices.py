"""Stage 05 on several devices: the processes of `accelerate launch` as the workers of `sft.train`.

In: a policy, and parts of a batch. Out: gradients and summed losses of the whole batch, in every process. With data
parallel each process holds all weights and computes its parts of every batch; the gradients of the parts all divide by
the trained tokens of the whole batch, so that adding them up gives the paper's token mean exactly, however the tokens
fall on the processes (a mean of means would not). Sharded (FSDP2), each process holds a share of every weight besides.
Departure from the paper, which names neither: it trained on 32 nodes; this was run on two CPU processes only.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from webdancer.agent import lora, policy
from webdancer.agent.policy import Policy


class LaunchError(RuntimeError):
    """The launch is not what was asked for; the message says what was got and what to change."""


class Devices:
    """The processes of a launch, with the face of `agent.workers.Workers`: `policy.workers = Devices(state)`.

    `first` is true in one process only: the one that writes files.

    Args:
        state: `accelerate.PartialState`.
        sharded: the weights are (`shard`): then all processes must do the same passes in the same order.
    """

    def __init__(self, state: Any, sharded: bool = False) -> None:
        self.parts, self.number, self.sharded = state.num_processes, state.process_index, sharded
        self.count, self.first = self.parts - 1, self.number == 0

    def run(
        self, policy: Policy, work: Any, parts: Sequence[tuple[Any, ...]], *, kept: int = -1, gradients: bool = False
    ) -> list[float]:
        """`work(policy, *part)` for each part, each in one process; what it returned for all of them, in all.

        Args:
            work: `sft._part`: a part is (examples, trained tokens of the batch, recipe), and the result a number.
            kept: as in `Workers`; nothing is kept here.
            gradients: add up the gradients of all processes.
        """
        device = next(policy.model.parameters()).device
        sums = torch.zeros(len(parts), dtype=torch.float64, device=device)
        rounds = -(-len(parts) // self.parts)
        for at in range(self.number, rounds * self.parts, self.parts):
            if at < len(parts):
                sums[at] = work(policy, *parts[at])
            elif self.sharded:  # the others wait for this process's share of the weights
                examples, *rest = parts[0]
                work(policy, [replace(e, mask=(False,) * len(e.mask)) for e in examples[:1]], *rest)
        if self.count:
            dist.all_reduce(sums)
            if gradients:
                self._add(policy.model)
        return sums.tolist()

    def _add(self, model: Any) -> None:
        """Make every gradient the sum over the processes."""
        trained = [p for p in model.parameters() if p.requires_grad]
        if self.sharded:
            for p in trained:
                p.grad.mul_(self.parts)  # FSDP has taken the mean
            return
        for p in trained:
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        for done in [dist.all_reduce(p.grad, async_op=True) for p in trained]:
            done.wait()


def start(processes: int) -> Any:
    """Join the launch; returns `accelerate.PartialState`.

    Raises:
        LaunchError: it has another number of processes. (accelerate 1.15 runs one and says nothing where it is told
            `--cpu --num_processes 2`, or `distributed_type: MULTI_CPU` in its file.)
    """
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes != processes:
        raise LaunchError(
            f"got {state.num_processes} processes, wanted {processes} (--processes): start it with accelerate launch "
            "--config_file FILE and set num_processes there; see params/accelerate/"
        )
    return state


def wants_sharding() -> bool:
    """Whether the launch's file says `distributed_type: FSDP`.

    Raises:
        LaunchError: it wants the first version of FSDP.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return False
    if os.environ.get("FSDP_VERSION") != "2":
        raise LaunchError(f"got fsdp_version {os.environ.get('FSDP_VERSION')}, wanted fsdp_version: 2 in fsdp_config")
    # By default transformers gives the weights to the first process alone, and the others random ones: for a trainer
    # that sends them on. Here every process reads them.
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    return True


def shard(agent: Policy, state: Any) -> None:
    """Share the weights out among the processes, block by block, as the launch's file says.

    `fsdp_reshard_after_forward`, `fsdp_offload_params` and `mixed_precision: bf16` count.

    Raises:
        LaunchError: adapters: they are small, and need data parallel only.
    """
    from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    if lora.is_lora(agent.model):
        raise LaunchError("got FSDP and lora_rank above 0, wanted all weights: adapters train with data parallel")
    model = agent.model.float()  # in bf16 a small update is lost to rounding
    options: dict[str, Any] = {"mesh": dist.init_device_mesh(state.device.type, (state.num_processes,))}
    options["reshard_after_forward"] = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() == "true"
    if os.environ.get("FSDP_OFFLOAD_PARAMS", "false").lower() == "true":
        options["offload_policy"] = CPUOffloadPolicy()
    if os.environ.get("ACCELERATE_MIXED_PRECISION") == "bf16":
        options["mp_policy"] = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in policy.decoder(model).layers:
        fully_shard(block, **options)
    fully_shard(model, **options)
    # The loss reads hidden states below the head: that pass, too, has to bring the shares together first.
    model.trained_logits = partial(policy.trained_logits, model)
    register_fsdp_forward_method(model, "trained_logits")


def save(agent: Policy, folder: Path, start_from: str, state: Any, sharded: bool) -> None:
    """Write the policy as a model folder, by one process; all have to call it.

    Args:
        start_from: the folder that the policy was loaded from; sharded weights are put into a copy of that model.
    """
    whole = agent
    if sharded:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(agent.model, options=options)
        if state.is_main_process:
            whole = policy.load(start_from, device="cpu")
            whole.model.load_state_dict(weights)
            whole = Policy(whole.model, agent.tokenizer)
    if state.is_main_process:
        policy.save(whole, folder)
    state.wait_for_everyone()
