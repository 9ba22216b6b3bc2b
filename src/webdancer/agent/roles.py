"""Who answers in which role: one YAML file names endpoint, model, limits and price of every role.

Used by 02_synthesize, 03_distill, 04_filter and 07_evaluate. In: the file named by a notebook's parameter `roles`, or
the notebook's own parameters where it names none. Out: clients (`agent.llm.LLM`). The paper has GPT-4o as author,
teacher of short thoughts and judge, QwQ-Plus for long thoughts, Qwen-2.5-72B as summariser; here a role is whatever
the file says. Further blocks, `agent_NAME`, may name agents to evaluate. The file holds names of environment variables
and no keys.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from webdancer.agent.gate import LOOPBACK
from webdancer.agent.llm import LLM, Budget
from webdancer.agent.sealed import keep
from webdancer.core.record import repo_root
from webdancer.core.vault import Vault

ROLES = ("author", "short", "long", "summariser", "judge", "quality", "solver")
_AGENT = re.compile(r"agent_[A-Za-z0-9_]+")


class RoleError(ValueError):
    """A role that cannot be read or that nobody fills; the message says which, where, got and wanted."""


class Role(BaseModel):
    """One block of the file; what it leaves out comes from the notebook's parameters or `LLM`'s defaults.

    The fields are those of `LLM`, and `system_file`: the file of an agent's own system message, from the repository's
    root (07). `key_env` is required for an endpoint that is not loopback, so that a key never goes to a server it was
    not meant for.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    endpoint: str | None = None
    model: Annotated[str, Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    concurrency: Annotated[int, Field(ge=1)] | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] | None = None
    key_env: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    price_in: Annotated[float, Field(ge=0)] | None = None
    price_out: Annotated[float, Field(ge=0)] | None = None
    extra: dict[str, Any] | None = None
    system_file: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://localhost")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("wanted an address such as https://api.example.org/v1")
        if "@" in parts.netloc or parts.query:
            raise ValueError("holds a password or a query: put the key into the environment, its name into key_env")
        return value


def load(path: Path) -> dict[str, Role]:
    """The roles of a file.

    Raises:
        RoleError: no file, no YAML, an unknown role or key (the nearest known one is suggested), a value of the wrong
            type or out of range, a name given twice, an endpoint without `key_env`. No value of the file is shown,
            because somebody may have put a key there.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _no_twins(yaml.compose(text, yaml.SafeLoader), path.name)
        blocks = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise RoleError(f"{path.name}: cannot be read as YAML ({type(error).__name__}{line})") from None
    if not isinstance(blocks, dict):
        raise RoleError(f"{path.name}: got a {type(blocks).__name__}, wanted one block for each role")
    for name in blocks:
        if not _known(name):
            raise RoleError(f"{path.name}: unknown role {name!r}{_near(name, ROLES)}, and any agent_NAME")
    return {name: _role(name, block, path.name) for name, block in blocks.items()}


def client(
    role: str,
    P: dict[str, Any],
    *,
    default_endpoint: str = "",
    folder: Path | None = None,
    budget: Budget | None = None,
    vault: Vault | None = None,
    **defaults: Any,
) -> LLM:
    """The client of a role.

    Args:
        role: one of `ROLES`, or `agent_NAME`.
        P: the notebook's parameters; `P["roles"]`, if set, is the file, a path from the repository's root. What the
            role's block there sets wins.
        default_endpoint: where the file names none.
        folder: keep replies in `<role>_replies.jsonl` there; None keeps none.
        budget: shared by the clients of a run.
        vault: of a secret benchmark: the replies in `folder` are sealed.
        **defaults: what the notebook's flat parameters say, by the names of `LLM` (`model=author, temperature=0.7`).

    Raises:
        RoleError: as `load`; or no model or no endpoint is named.
        TypeError: a default that `LLM` does not know. EndpointError: the key is missing.

    >>> client("judge", {}, default_endpoint="http://127.0.0.1:8000/v1", model="pocket-judge").model
    'pocket-judge'
    """
    found = optional(role, P, default_endpoint=default_endpoint, folder=folder, budget=budget, vault=vault, **defaults)
    if found is None:
        where = f"write a block `{role}:` into {P['roles']}" if P.get("roles") else "set the notebook's parameter"
        raise RoleError(f"nobody has the role {role}: got no model, wanted one: {where}")
    return found


def optional(
    role: str,
    P: dict[str, Any],
    *,
    default_endpoint: str = "",
    folder: Path | None = None,
    budget: Budget | None = None,
    vault: Vault | None = None,
    **defaults: Any,
) -> LLM | None:
    """`client`, or None if neither the file nor the parameters name a model: the role stays empty (a rule does it)."""
    if not _known(role):
        raise RoleError(f"unknown role {role!r}{_near(role, ROLES)}")
    file = P.get("roles", "")
    blocks = load(repo_root() / file) if file else {}
    block = blocks[role].model_dump(exclude_none=True) if role in blocks else {}
    values = defaults | block
    endpoint, model = values.pop("endpoint", default_endpoint), values.pop("model", "")
    values.pop("system_file", "")
    if not model:
        return None
    if not endpoint:
        raise RoleError(f"the role {role} has no endpoint: name one in its block of the roles file, or set `endpoint`")
    found = LLM(model, endpoint, budget=budget, **values)
    return keep(found, folder / f"{role}_replies.jsonl", vault) if folder else found


def _known(name: Any) -> bool:
    """Whether a block or a role may have this name."""
    return name in ROLES or bool(isinstance(name, str) and _AGENT.fullmatch(name))


def _role(name: str, block: Any, where: str) -> Role:
    """A checked block."""
    if not isinstance(block, dict):
        raise RoleError(f"{where}: {name}: got a {type(block).__name__}, wanted lines such as `model: ...`")
    try:
        role = Role.model_validate(block)
    except ValidationError as error:
        raise RoleError("; ".join(f"{where}: {name}.{_fault(e)}" for e in error.errors())) from None
    if role.endpoint and not role.key_env and urlsplit(role.endpoint).hostname not in LOOPBACK:
        raise RoleError(
            f"{where}: {name}: got an endpoint without key_env, wanted the name of the variable that holds its key"
        )
    return role


def _fault(error: Any) -> str:
    """One of pydantic's errors without the value."""
    field = ".".join(map(str, error["loc"])) or "block"
    if error["type"] == "extra_forbidden":
        return f"{field}: unknown key{_near(field, Role.model_fields)}"
    if field == "key_env" and error["type"] == "string_pattern_mismatch":
        return "key_env: wanted the NAME of an environment variable, not a key"
    hint = " (YAML reads 1e-5 as a string: write 1.0e-5)" if error["type"] == "float_type" else ""
    return f"{field}: {error['msg']}{hint}"


def _near(name: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f": known are {', '.join(known)}"


def _no_twins(node: Any, where: str) -> None:
    """Refuse a name given twice in one block, of which YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value]
        twins = sorted({str(name) for name in names if names.count(name) > 1})
        if twins:
            raise RoleError(f"{where}: {', '.join(twins)} given twice: keep one")
        for _, value in node.value:
            _no_twins(value, where)
