"""What the calculator is given and what it gives: assumptions with their sources, and lines with their sums.

In: nothing. Out: `Assumed`, whose ranges are printed beside every number that rests on them, and `Line`. Shown in
09_scale. The paper publishes no hours, tokens or cost; where it publishes a length or a count, that is taken.
"""

from dataclasses import dataclass, fields

from webdancer.agent import estimate
from webdancer.core import prompts
from webdancer.scale import calculator_rates as rates
from webdancer.scale.calculator_rates import Range

NOTES = {
    "training": "share of the peak in training; assumed, usual for FSDP",
    "prefill": "share of the peak in reading prompts; assumed",
    "bandwidth": "share of the memory bandwidth in decoding; assumed",
    "longer": "episodes in practice against the kept ones of table 4; assumed, section 5 says that RL lengthens them",
    "tool_seconds": "a search, or a page and its summary; assumed",
    "queries": "paid queries a tool call: 1 in the paper's case, 2.65 in the 200 released trajectories",
}


@dataclass(frozen=True)
class Assumed:
    """What is assumed; the meaning of each range stands in `NOTES`, that of `live` in `live_from`.

    `model` names sizes in `calculator_rates.MODELS`; `gpus` train and roll out together; `gpu_price` in US dollars an
    hour, `search_price` in US dollars a query, with date and source in `gpu_price_from` and `search_price_from`.
    """

    gpu: rates.Gpu = rates.GPUS["H20"]
    gpus: int = 256
    model: str = "32B"
    gpu_price: Range = Range(1.0, 3.0)
    search_price: Range = Range(0.0003, 0.001)
    gpu_price_from: str = (
        "assumed: no public price of an H20 was found; H100s were 2 to 5 in May 2026 (mercatus-ai.com)"
    )
    search_price_from: str = "serper.dev's list of 2026 as others quote it: 0.30 to 1.00 a thousand"
    live: Range = Range(0.2, 0.8)
    live_from: str = "share of groups that are neither all right nor all wrong; assumed"
    training: Range = Range(0.3, 0.5)
    prefill: Range = Range(0.3, 0.6)
    bandwidth: Range = Range(0.4, 0.7)
    longer: Range = Range(1.0, 2.5)
    tool_seconds: Range = Range(1.0, 10.0)
    queries: Range = Range(1.0, 2.65)

    def __post_init__(self) -> None:
        """Refuse what is not known or would divide by nothing."""
        if self.model not in rates.MODELS or self.gpus < 1:
            known = ", ".join(rates.MODELS)
            raise ValueError(f"got {self.gpus} GPUs and model {self.model!r}, wanted at least 1 and one of {known}")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Range) and not value.low and "price" not in field.name:
                raise ValueError(f"got {field.name}={value}, wanted above 0")

    def say(self, *names: str) -> str:
        """The assumptions that a number rests on, in words."""
        said = []
        for name in names:
            value = getattr(self, name)
            note = NOTES[name] if name in NOTES else getattr(self, f"{name}_from")
            said.append(f"{name} {value.low:.3g} to {value.high:.3g} ({note})")
        return "; ".join(said)


@dataclass(frozen=True)
class Line:
    """One number: `how` is the sum that makes it, `assumed` what that rests on beside the parameter files."""

    part: str
    what: str
    amount: Range
    unit: str
    how: str
    assumed: str = ""


@dataclass(frozen=True)
class Episode:
    """Mean tokens that an agent writes and reads in an episode, and its tool calls."""

    written: float
    read: float
    calls: float


def episode(style: str) -> Episode:
    """Of thoughts in a style, "" for both: table 4 of the paper, lengths of call and observation as released."""
    if not style:
        short, long = episode("short"), episode("long")
        return Episode(*((a + b) / 2 for a, b in zip(vars(short).values(), vars(long).values(), strict=True)))
    actions, thoughts = estimate.PAPER[style]
    head = estimate.tokens(prompts.head("What?" * 20, "2025-01-01"))
    read = head + (actions - 1) * estimate.OBSERVATION
    return Episode(thoughts + actions * estimate.ACTION, read, actions - 1)
