"""Part of stage 07: who is evaluated. A model folder, or any model behind an OpenAI-compatible endpoint.

In: a notebook's parameters, above all the list `agents`. Out: `Agent`s, checked before the first question is asked,
and their predictions: the same questions, tools, temperature and limits for all. An entry of the list is one of

    sft                             the model folder `sft` among the artifacts, run here
    other=models/my-model/          another model folder, from the repository's root; the slash at its end says so
    teacher=pocket-short            a model at `endpoint`, as a ReAct agent
    gpt=role:agent_gpt              a block of the file `roles`: endpoint, model, key, prices, system message of its own

An endpoint may be asked with its own system message, from a file. Its calls and answers must follow the released
protocol, in any of the forms that `agent.settle` reads (hosted tool calls among them). Departure from the paper: it
runs its models through one inference server; here a folder is run by `agent.rollout`, or served and named as a model.
"""

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webdancer.agent import react, roles
from webdancer.agent.llm import LLM, Budget
from webdancer.agent.sealed import keep
from webdancer.core import spread
from webdancer.core.record import WRITERS, repo_root
from webdancer.core.schema import Question
from webdancer.core.vault import Vault
from webdancer.evaluate_predictions import Prediction
from webdancer.evaluate_store import Store

DIALS = (
    "samples", "temperature", "top_p", "max_turns", "max_tokens", "max_turn_tokens", "slots", "prompt_style", "date",
    "seed",
)  # fmt: skip
LIMITS = ("temperature", "seed", "date", "max_turns", "max_context", "force_answer", "max_failures")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class AgentError(ValueError):
    """An agent that cannot be evaluated as named; the message says which, what was got and what was wanted."""


@dataclass(frozen=True)
class Agent:
    """Who is evaluated: a model `folder`, or an `llm` with the text of its own `system` message."""

    name: str
    folder: Path | None = None
    llm: LLM | None = None
    system: str = ""

    def load(self) -> Any:
        """The policy in `folder` (`agent.policy.load`, imported here: it needs torch)."""
        from webdancer.agent import policy

        return policy.load(self.folder)

    def record(self) -> dict[str, str]:
        """What a marker says of it: kind, model, 12 digits of a hash of its own system message; no path."""
        digest = hashlib.sha256(self.system.encode()).hexdigest()[:12] if self.system else ""
        if self.llm is not None:
            return {"kind": "endpoint", "model": self.llm.model, "system": digest}
        return {"kind": "folder", "model": self.folder.name if self.folder else "", "system": ""}


def agents(
    P: Mapping[str, Any],
    folder: Path,
    *,
    endpoint: str = "",
    budget: Budget | None = None,
    vault: Vault | None = None,
) -> list[Agent]:
    """The agents that the parameters name, in their order, each checked.

    Args:
        P: `agents` (entries as above), `agent_system_file` (of the models at `endpoint`; "": the released one),
            `roles`, `temperature, top_p, max_reply_tokens, concurrency, prices, keep_replies`.
        folder: of the artifacts; model folders lie there, and replies are kept there if `keep_replies`.
        endpoint: where the models named without a role are. budget: shared by all.
        vault: of a secret benchmark: kept replies are sealed.

    Raises:
        AgentError: an entry that cannot be read, a name given twice, no endpoint, a system file that is missing or
            empty, a role without a block.
        FileNotFoundError: no such model folder; the message names the notebook that writes it.
        RoleError, EndpointError: as `roles.client` and `LLM` (a key that is missing).
    """
    entries = [tuple(str(entry).partition("=")[::2]) for entry in P["agents"]]
    names = [name for name, _ in entries]
    wrong = [name for name in names if not _NAME.fullmatch(name) or names.count(name) > 1]
    if wrong or not names:
        raise AgentError(
            f"agents: got {', '.join(map(repr, wrong)) or 'none'}, wanted names of letters, digits, '.', '_' and '-', "
            "each once, such as sft or teacher=pocket-short"
        )
    dials = {"endpoint": endpoint, "budget": budget, "vault": vault}
    return [_agent(name, what.strip(), P, Path(folder), **dials) for name, what in entries]


def _agent(
    name: str,
    what: str,
    P: Mapping[str, Any],
    folder: Path,
    *,
    endpoint: str,
    budget: Budget | None,
    vault: Vault | None,
) -> Agent:
    """The agent of one entry."""
    if not what or what.endswith("/"):
        return Agent(name, _model_folder(name, what, folder))
    dials = {"temperature": P["temperature"], "top_p": P["top_p"], "max_tokens": P["max_reply_tokens"]}
    dials |= {"concurrency": P["concurrency"], "price_in": P["prices"][0], "price_out": P["prices"][1]}
    if not what.startswith("role:"):
        if not endpoint:
            raise AgentError(f"agents: {name}={what} is a model at an endpoint: got none, wanted one in `endpoint`")
        llm = LLM(what, endpoint, budget=budget, **dials)
        llm = keep(llm, folder / f"{name}_replies.jsonl", vault) if P["keep_replies"] else llm
        return Agent(name, llm=llm, system=_system(P["agent_system_file"], "agent_system_file"))
    role = what.removeprefix("role:")
    blocks = roles.load(repo_root() / P["roles"]) if P["roles"] else {}
    if role not in blocks:
        known = ", ".join(blocks) or "none: the parameter roles names no file"
        raise AgentError(f"agents: {name}={what}: got no block {role!r}, wanted one of the file's ({known})")
    kept = folder if P["keep_replies"] else None
    llm = roles.client(role, P, default_endpoint=endpoint, folder=kept, budget=budget, vault=vault, **dials)
    return Agent(name, llm=llm, system=_system(blocks[role].system_file or "", f"{role}.system_file"))


def _model_folder(name: str, what: str, artifacts: Path) -> Path:
    """Where the weights are: among the artifacts, or from the repository's root."""
    path = repo_root() / what if what else artifacts / name
    if path.is_dir():
        return path
    if not what:
        writer = f"run {WRITERS[name]} first" if name in WRITERS else f"or write {name}=FOLDER/ or {name}=MODEL"
        raise FileNotFoundError(f"agents: there is no model folder {name} among the artifacts: {writer}")
    raise FileNotFoundError(
        f"agents: there is no folder {what} for {name}, wanted one with a model, its path from the repository's root "
        f"(from the hub: `hf download ORG/NAME --local-dir {what}`); a model at the endpoint has no slash at its end"
    )


def _system(file: str, where: str) -> str:
    """The text of a file with a system message, "" without a file."""
    if not file:
        return ""
    try:
        text = (repo_root() / file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(
            f"{where}: {file} cannot be read ({type(error).__name__}), wanted a text file, its path from the "
            'repository\'s root, or "" for the released system message'
        ) from None
    if not text:
        raise AgentError(f'{where}: {file} is empty, wanted the system message, or "" for the released one')
    return text


def settings(agent: Agent, P: Mapping[str, Any]) -> react.Settings:
    """How an endpoint agent is run: those of `LIMITS` that the parameters set, and its own system message."""
    return react.Settings(system=agent.system, **{name: P[name] for name in LIMITS if name in P})


def run(
    agents: Sequence[Agent],
    store: Store,
    questions: Sequence[Question],
    tools: Any,
    P: Mapping[str, Any],
    *,
    fewer: Mapping[str, Sequence[Question]] | None = None,
) -> dict[str, list[Prediction]]:
    """The predictions of all agents, one agent after the other, scored by rule; kept as they come (`evaluate_store`).

    Args:
        store: with the vault of a secret benchmark: then no error quotes a question.
        P: for folders those of `DIALS` and `threads`, for endpoints those of `LIMITS` and `samples`.
        fewer: agent to the questions that it gets in the place of `questions`, such as an untrained one.

    Raises:
        EndpointError: as `react.many`. ValueError: no questions, or a folder that is no model. VaultError: in the place
            of an error that quotes a secret question.
    """
    found: dict[str, list[Prediction]] = {}
    crew: list[Any] = []  # the workers of the policy before, and that policy
    with store.vault.guard() if store.vault else contextlib.nullcontext():
        try:
            for agent in agents:
                asked = (fewer or {}).get(agent.name, questions)
                if agent.llm is not None:
                    ways = settings(agent, P)
                    found[agent.name] = store.endpoint(
                        agent.name, agent.llm, asked, tools, settings=ways, samples=P["samples"]
                    )
                    continue
                policy = agent.load()
                crew = _staffed(policy, crew, P["threads"] - 1)
                dials = {name: P[name] for name in DIALS if name in P}
                found[agent.name] = store.policy(agent.name, agent.folder, policy, asked, tools, **dials)
        finally:
            for workers in crew[:1]:
                workers.close()
    return found


def _staffed(policy: Any, crew: list[Any], count: int) -> list[Any]:
    """Give a policy worker processes: those of the one before it if they are alike, else new ones."""
    from webdancer.agent.workers import Workers

    if crew and _shape(crew[1]) == _shape(policy):
        policy.workers = crew[0]
        return crew
    for workers in crew[:1]:
        workers.close()
    others = spread.crew()
    policy.workers = Workers(policy, count) if others is None else others.workers(policy)
    return [policy.workers, policy]


def _shape(policy: Any) -> Any:
    """What two policies must share to have the same workers: sizes of the weights, and the tokenizer."""
    return [tuple(p.shape) for p in policy.model.parameters()], policy.tokenizer.get_vocab()
