"""Dress rehearsal of the profile `gpu`: all seven notebooks with its own parameter files, without GPU, network or key.

Only what this machine cannot have is replaced, and the test says what that is: hosts and endpoints (the pocket web and
its rule-based stand-ins), the model folder (a Qwen3 with random weights and a byte-level BPE tokenizer trained here),
the backend, and sizes. What a user will run has then run; that its numbers are good is not shown.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_notebooks import GUARD, NAMES

from pocketweb import serve
from webdancer.agent import tokens
from webdancer.core.record import repo_root

ROOT = repo_root()
POCKET = {
    "wiki_api": "http://wiki.pocket.test/w/api.php", "wiki_roots": ["Main Page"], "heldout_wiki_roots": [],
    "arxiv_api": "http://arxiv.pocket.test/api/query", "arxiv_query": "cat:cs.LG", "heldout_arxiv_query": "",
    "github_api": "http://github.pocket.test", "github_query": "topic:software", "heldout_github_query": "",
    "web_roots": ["http://www.pocket.test/"], "heldout_web_roots": [], "train_worlds": [1], "heldout_worlds": [17],
}  # fmt: skip
HOSTS = {"endpoint", "roles", "engine", "engine_model", "adapter_folder", *POCKET}
MODEL = {"model", "backend", "four_bit"}
SIZES = {
    "world_pages", "heldout_pages", "limit", "depth", "n_sft", "n_rl", "n_eval", "rounds", "short_samples",
    "long_samples", "difficulty_questions", "steps", "batch_tokens", "micro_tokens", "lora_rank", "groups", "samples",
    "dev_questions", "dev_every", "max_tokens", "max_turn_tokens", "max_turns", "aside", "slots", "eval_questions",
    "base_questions", "threads", "warmup", "checkpoint_every", "max_length", "overlong_buffer",
}  # fmt: skip
SMALL = {
    "01_crawl": {"world_pages": 200, "heldout_pages": 200, "limit": 300, "depth": 6},
    "02_synthesize": {"n_sft": 60, "n_rl": 12, "n_eval": 12, "rounds": 3},
    "03_distill": {"short_samples": 1, "long_samples": 1, "difficulty_questions": 4},
    "04_filter": {},
    "05_sft": {"steps": 4, "batch_tokens": 8192, "micro_tokens": 4096, "lora_rank": 4, "aside": 4, "threads": 2,
               "warmup": 1, "max_length": 6144},
    "06_dapo": {"steps": 2, "groups": 2, "samples": 2, "dev_questions": 2, "dev_every": 1, "max_tokens": 2048,
                "max_turn_tokens": 24, "max_turns": 3, "lora_rank": 4, "threads": 2, "slots": 4, "warmup": 1,
                "overlong_buffer": 256},
    "07_evaluate": {"eval_questions": 4, "base_questions": 2, "samples": 3, "max_tokens": 2048, "max_turns": 3,
                    "max_turn_tokens": 24,
                    "threads": 2, "slots": 4},
}  # fmt: skip


def base_model(folder: Path) -> Path:
    """A Qwen3 with random weights and ChatML over a byte-level BPE tokenizer, as a Hugging Face folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    frame = Tokenizer(models.BPE())
    frame.pre_tokenizer, frame.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    texts = [p.read_text(encoding="utf-8") for p in sorted((ROOT / "src" / "webdancer").glob("*.py"))]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    frame.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=frame, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=tokens.CHATML
    )
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, intermediate_size=128, max_position_embeddings=16384, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def replaced(name: str, endpoint: str, model: Path) -> dict[str, Any]:
    """The committed parameters of a notebook with what this machine cannot have replaced."""
    committed = yaml.safe_load((ROOT / "params" / "gpu" / f"{name}.yaml").read_text(encoding="utf-8"))
    change: dict[str, Any] = dict(SMALL[name])
    if name == "01_crawl":
        change |= POCKET
    if name == "05_sft":
        change |= {"model": str(model)}
    change |= {key: value for key, value in {"backend": "torch", "four_bit": False}.items() if key in committed}
    if name == "06_dapo":
        change |= {"engine": "", "engine_model": "", "adapter_folder": ""}
    if name == "07_evaluate":
        change |= {"endpoint": endpoint}
    assert set(change) <= HOSTS | MODEL | SIZES, "only hosts, model, backend and sizes may differ"
    return committed | change


def roles(endpoint: str) -> dict[str, Any]:
    """roles.yaml with the rule-based stand-ins of the pocket web behind each role."""
    names = {"author": "pocket-author", "short": "pocket-short", "long": "pocket-long", "judge": "pocket-judge",
             "summariser": "pocket-summariser", "quality": "pocket-judge", "solver": "pocket-short"}  # fmt: skip
    committed = yaml.safe_load((ROOT / "params" / "gpu" / "roles.yaml").read_text(encoding="utf-8"))
    return {
        role: {k: v for k, v in block.items() if k != "key_env"} | {"endpoint": endpoint, "model": names[role]}
        for role, block in committed.items()
    }


def prepare(root: Path, endpoint: str) -> None:
    """A project root whose `params/gpu` is the committed one, replaced."""
    (root / "notebooks").symlink_to(ROOT / "notebooks")
    folder = root / "params" / "gpu"
    folder.mkdir(parents=True)
    model = base_model(root / "base_model")
    for name in NAMES:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(replaced(name, endpoint, model)), encoding="utf-8")
    (folder / "roles.yaml").write_text(yaml.safe_dump(roles(endpoint)), encoding="utf-8")


@pytest.mark.slow
def test_all_notebooks_run_with_the_parameters_of_gpu(tmp_path):
    with serve.start([], endpoint="process") as net:
        prepare(tmp_path, net.endpoint)
        env = os.environ | {
            "WEBDANCER_ROOT": str(tmp_path), "PYTHONPATH": str(GUARD), "OMP_NUM_THREADS": "2", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "webdancer.run", "gpu"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    markers = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "results" / "gpu").glob("[0-9]*.json")}
    assert sorted(markers) == NAMES
    artifacts = tmp_path / "results" / "gpu" / "artifacts"
    for name in ("sft", "dapo"):
        assert (artifacts / name / "adapter").is_dir() and (artifacts / name / "config.json").is_file()
    models = markers["07_evaluate"]["metrics"]["models"]
    assert list(models) == ["base", "sft", "dapo", "teacher"]
    assert models["dapo"]["pass_at_1"]["n"] == SMALL["07_evaluate"]["eval_questions"]
