"""Finished episodes and earlier replies of a run on a secret benchmark, on disk but not in plain.

Used by 07_evaluate through `react.many`, `roles.client` and `evaluate_agents`. In: a `core.vault.Vault`, or None for
an open benchmark. Out: a `PartFile` and a reply cache that work like those of an open run: a run that was killed goes
on, and no request is paid for twice, but the files say nothing to who has not the benchmark. Not in the paper.
"""

from dataclasses import asdict, replace
from pathlib import Path

from webdancer.agent.completion import Reply
from webdancer.agent.llm import LLM
from webdancer.agent.llm_cache import ReplyCache
from webdancer.agent.partial import Finished, Key, PartFile
from webdancer.core.vault import SEALED, Vault, VaultError


class SealedParts(PartFile):
    """A part file whose episodes are hidden (`Vault.hide`); question id, sample, stop and counts can be read."""

    def __init__(self, path: Path | None, vault: Vault) -> None:
        self.vault = vault
        super().__init__(path)

    def add(self, finished: Finished) -> None:
        """Append an episode, hidden."""
        super().add(replace(finished, trajectory=self.vault.hide(finished.trajectory)))

    def get(self, key: Key) -> Finished:
        """The episode of a question and sample.

        Raises:
            KeyError: it is not there. VaultError: it was sealed for another version of the benchmark.
        """
        found = super().get(key)
        return replace(found, trajectory=self.vault.show(found.trajectory))


class SealedReplies(ReplyCache):
    """A cache of replies, each sealed to its own key; what cannot be opened counts as not asked before."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self.vault = vault
        super().__init__(path)

    def get(self, key: str) -> Reply | None:
        """The reply of a request, None if it has not been asked with this vault."""
        found = super().get(key)
        if found is None or found.finish != SEALED:
            return None
        try:
            row = self.vault.open(found.content, key)
        except VaultError:
            return None
        return Reply(**{**row, "calls": tuple(row["calls"])})

    def put(self, key: str, reply: Reply) -> None:
        """Append a reply, sealed."""
        super().put(key, Reply(self.vault.seal(asdict(reply), key), finish=SEALED))


def parts(path: Path | None, vault: Vault | None) -> PartFile:
    """The part file of a run: in plain without a vault, hidden with one."""
    return PartFile(path) if vault is None else SealedParts(path, vault)


def keep(llm: LLM, path: Path, vault: Vault | None) -> LLM:
    """Let a client keep its replies in a file: in plain without a vault, sealed with one; returns the client."""
    llm._cache = ReplyCache(path) if vault is None else SealedReplies(path, vault)
    return llm
