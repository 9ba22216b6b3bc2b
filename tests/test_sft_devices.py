"""The processes of a launch: what one of them computes, and launches that are not what was asked for.

What two of them compute together is in test_sft_launch.
"""

from types import SimpleNamespace

import pytest
import torch

from webdancer.agent import lora, policy, tokens
from webdancer.scale import sft_devices
from webdancer.scale.sft_devices import Devices, LaunchError
from webdancer.sft_data import Example


def state(processes: int = 1, number: int = 0) -> SimpleNamespace:
    return SimpleNamespace(num_processes=processes, process_index=number, is_main_process=number == 0)


def agent() -> SimpleNamespace:
    return SimpleNamespace(model=torch.nn.Linear(1, 1))


@pytest.fixture
def joined(monkeypatch):
    """all_reduce of a process whose one peer has ones everywhere."""
    added = []

    def all_reduce(tensor, async_op=False):
        added.append(tensor.clone())
        tensor.add_(torch.ones_like(tensor))
        return SimpleNamespace(wait=lambda: None)

    monkeypatch.setattr(sft_devices.dist, "all_reduce", all_reduce)
    return added


def test_alone_it_does_all_parts_in_order():
    found = Devices(state()).run(agent(), lambda agent, x: 2.0 * x, [(1,), (2,), (3,)], gradients=True)
    assert found == [2.0, 4.0, 6.0]
    assert Devices(state()).count == 0 and Devices(state()).parts == 1


@pytest.mark.parametrize("number, mine", [(0, [1, 3]), (1, [2])])
def test_each_process_does_every_second_part_and_all_know_all_sums(joined, number, mine):
    done = []

    def work(agent, x):
        done.append(x)
        return float(x)

    found = Devices(state(2, number)).run(agent(), work, [(1,), (2,), (3,)])
    assert done == mine
    assert joined[0].tolist() == [float(x) if x in mine else 0.0 for x in (1, 2, 3)]
    assert found == [value + 1 for value in joined[0].tolist()]
    assert joined[0].dtype == torch.float64


def test_gradients_are_added_also_where_a_process_had_no_part(joined):
    one = agent()
    Devices(state(2, 1)).run(one, lambda agent, x: 0.0, [(1,)], gradients=True)
    assert one.model.weight.grad.item() == one.model.bias.grad.item() == 1.0
    one.model.zero_grad()
    one.model.bias.requires_grad_(False)

    def work(agent, x):
        agent.model(torch.tensor([[x]])).sum().backward()
        return x

    Devices(state(2, 0)).run(one, work, [(3.0,)], gradients=True)
    assert one.model.weight.grad.item() == 4.0 and one.model.bias.grad is None


def test_with_shared_weights_a_process_without_a_part_goes_along_and_adds_nothing(joined):
    seen, one = [], agent()

    def work(agent, examples, trained):
        seen.append((examples, trained))
        agent.model(torch.ones(1, 1)).sum().backward()
        return 0.0

    example = Example((5, 6), (False, True), 1)
    Devices(state(2, 1), sharded=True).run(one, work, [([example, example], 7)], gradients=True)
    assert seen == [([Example((5, 6), (False, False), 1)], 7)]
    assert one.model.weight.grad.item() == 2.0  # FSDP's mean over two, made a sum again


def test_one_process_writes_files():
    assert [Devices(state(2, n)).first for n in (0, 1)] == [True, False]


def test_a_launch_of_another_size_is_an_error():
    with pytest.raises(LaunchError, match="got 1 processes, wanted 4 .*num_processes"):
        sft_devices.start(4)
    assert sft_devices.start(1).num_processes == 1


def test_sharding_is_what_the_launch_says(monkeypatch):
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    assert not sft_devices.wants_sharding()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    assert sft_devices.wants_sharding()
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(LaunchError, match="wanted fsdp_version: 2"):
        sft_devices.wants_sharding()


def test_adapters_are_not_shared_out():
    tiny = policy.build_tiny(tokens.train_tokenizer(["a b"], 600), hidden=24, layers=1, heads=2, feed_forward=32)
    tiny.model = lora.add(tiny.model, lora.Lora(2), 0)
    with pytest.raises(LaunchError, match="data parallel"):
        sft_devices.shard(tiny, state())


def test_a_policy_that_is_whole_is_saved_by_one_process(tmp_path):
    tiny = policy.build_tiny(tokens.train_tokenizer(["a b"], 600), hidden=24, layers=1, heads=2, feed_forward=32)
    for number in (1, 0):
        where = state(2, number)
        where.wait_for_everyone = lambda: None
        sft_devices.save(tiny, tmp_path / "out", "", where, sharded=False)
        assert (tmp_path / "out").is_dir() == (number == 0)
