"""What can be said of the Unsloth path without Unsloth; `tests/unsloth` runs the path itself (`make test-unsloth`)."""

import ast
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from webdancer.agent import lora, policy, tokens, unsloth_policy
from webdancer.agent.lora import Lora


@pytest.fixture
def tiny():
    return policy.build_tiny(tokens.train_tokenizer(["a b"] * 3, 600), hidden=12, layers=1, heads=2, feed_forward=16)


class Patched(torch.nn.Module):
    """A stand-in for a model that Unsloth patched: its forward obeys the environment variable."""

    config = SimpleNamespace(hidden_size=3)

    def forward(self, input_ids, use_cache):
        wide = 3 if os.environ.get("UNSLOTH_RETURN_HIDDEN_STATES") == "1" else 50
        return SimpleNamespace(logits=torch.ones(*input_ids.shape, wide))


Patched.forward.__module__ = "unsloth.models.llama"


class Deaf(Patched):
    """The same of a version that does not know the variable."""

    def forward(self, input_ids, use_cache):
        return SimpleNamespace(logits=torch.ones(*input_ids.shape, 50))


@pytest.mark.parametrize(
    "error", [ImportError("no module"), NotImplementedError("no GPU"), RuntimeError("no accelerator")]
)
def test_whatever_unsloth_raises_at_import_becomes_one_error_that_names_the_extra(monkeypatch, error):
    def fail(name):
        raise error

    module = ModuleType("unsloth")
    module.__getattr__ = fail
    monkeypatch.setitem(sys.modules, "unsloth", module)
    with pytest.raises(
        ValueError, match=r'backend="unsloth" needs a GPU and the extra: pip install "webdancer\[gpu\]"'
    ):
        unsloth_policy.load("folder", Lora(8), 512, True)


@pytest.mark.parametrize("module", [unsloth_policy, lora, policy], ids=lambda m: m.__name__)
def test_importing_a_module_imports_neither_unsloth_nor_peft(module):
    top = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    names = [a.name for n in top if isinstance(n, ast.Import) for a in n.names]
    names += [n.module for n in top if isinstance(n, ast.ImportFrom)]
    assert "torch" in names and not {"unsloth", "peft"} & {n.split(".")[0] for n in names}


def test_the_arguments_reach_unsloth(monkeypatch, tmp_path, tiny):
    seen = {}

    class Fast:
        @staticmethod
        def from_pretrained(name, **given):
            seen.update(given, name=name)
            return tiny.model, tiny.tokenizer

        @staticmethod
        def get_peft_model(model, **given):
            seen.update(given)
            return model

    module = ModuleType("unsloth")
    module.FastLanguageModel = Fast
    monkeypatch.setitem(sys.modules, "unsloth", module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = policy.load(
        tmp_path, "unsloth", adapter=Lora(16), max_length=4096, four_bit=True, seed=7, chat_template="chatml"
    )
    assert (seen["max_seq_length"], seen["load_in_4bit"], seen["r"], seen["lora_alpha"]) == (4096, True, 16, 16)
    assert seen["use_gradient_checkpointing"] == "unsloth" and seen["random_state"] == 7
    assert found.tokenizer.chat_template == tokens.CHATML


def test_a_patched_model_is_asked_for_hidden_states_and_the_environment_is_put_back(monkeypatch, tiny):
    ids = torch.tensor([[1, 2]])
    assert unsloth_policy.is_patched(Patched()) and not unsloth_policy.is_patched(tiny.model)
    for before in (None, "0"):
        monkeypatch.delenv("UNSLOTH_RETURN_HIDDEN_STATES", raising=False)
        if before is not None:
            monkeypatch.setenv("UNSLOTH_RETURN_HIDDEN_STATES", before)
        assert unsloth_policy.hidden(Patched(), ids).shape == (1, 2, 3)
        assert os.environ.get("UNSLOTH_RETURN_HIDDEN_STATES") == before
    with pytest.raises(RuntimeError, match="got 50 numbers a token from Unsloth, wanted 3 hidden states"):
        unsloth_policy.hidden(Deaf(), ids)


def test_a_patched_model_does_not_pack(tiny):
    with pytest.raises(ValueError, match="packing = False"):
        policy.trained_logits(Patched(), torch.tensor([[1, 2]]), torch.tensor([[False, True]]), [2])


def test_a_model_without_quantised_layers_is_no_four_bit_model(tiny):
    assert not unsloth_policy.is_four_bit(tiny.model)
