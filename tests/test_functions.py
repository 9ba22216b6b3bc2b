"""The tools are described once: the released prompt, transformers, TRL and verl agree."""

import copy
import hashlib
import importlib.util
import inspect
import json
from pathlib import Path

import pytest
from transformers.utils import get_json_schema

from webdancer.agent import policy, tokens
from webdancer.core import prompts, released
from webdancer.core.schema import Page
from webdancer.web import functions
from webdancer.web.search import SearchIndex
from webdancer.web.tools import Tools

PAGES = (
    Page("http://a.test/kestin", "Kestin", "Kestin is a town. Its mayor is Ada Veron.", sha256="x"),
    Page("http://a.test/orlen", "Orlen", "Orlen is a river.", sha256="y"),
)


class Recorder:
    """Tools that write down what they are asked."""

    def __init__(self):
        self.asked = []

    def call_many(self, calls):
        self.asked += calls
        return [f"seen {name}" for name, _ in calls]


@pytest.fixture(scope="module")
def tools():
    return Tools(SearchIndex.build(PAGES), PAGES)


def without_items(schema):
    """The schema as verl keeps it: its model of a property has no `items`."""
    bare = copy.deepcopy(schema)
    for argument in bare["parameters"]["properties"].values():
        argument.pop("items", None)
    return bare


def test_the_functions_say_what_the_released_prompt_says():
    """Word for word: names, descriptions, types, order, which are required."""
    assert [functions.schema(f) for f in functions.bind(Recorder())] == functions.shown()
    shown = functions.shown(prompts.head("Who?", "2025-07-18")[1]["content"])
    assert shown == functions.shown() and list(shown[1]["parameters"]["properties"]) == ["url", "goal"]


def test_the_released_prompt_is_what_it_was():
    """The text that released trajectories were made with; a change would make them another task."""
    found = hashlib.sha256(released.USER_HEAD.encode()).hexdigest()
    assert found == "cf1212c8bd0a9138e07460c5966b2759342250641ceef551c7a48eaf4eb27e31"


def test_the_list_of_functions_in_released_rows_differs_in_the_name_that_is_known():
    """`FUNCTIONS` calls the argument of search `queries` in two places; all else is the same."""
    for ours, row in zip(functions.shown(), released.FUNCTIONS, strict=True):
        same = str(row["parameters"]).replace("queries'", "query'"), row["description_for_model"]
        assert (row["name_for_model"], same[1].replace("'queries'", "'query'")) == (ours["name"], ours["description"])
        assert same[0] == str(ours["parameters"])


def test_transformers_reads_the_same():
    for function, wanted in zip(functions.bind(Recorder()), functions.shown(), strict=True):
        found = get_json_schema(function)
        assert found["type"] == "function"
        assert found["function"] | wanted == found["function"]  # besides, it says what is returned
        assert found["function"].keys() - wanted.keys() == {"return"}


def test_trl_takes_the_functions_and_reads_the_same(tmp_path):
    """Through its trainer: what a template that lists tools then shows to a policy, as for Qwen3."""
    if importlib.util.find_spec("trl") is None:
        pytest.skip("TRL is not installed here: pip install -e '.[bench]' or make test-scale")
    import trl
    from datasets import Dataset

    tokenizer = tokens.train_tokenizer(["Search, visit, answer."], 600)
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text()
    asked = [{"role": "user", "content": "Who?"}]
    trainer = trl.GRPOTrainer(
        model=policy.build_tiny(tokenizer, hidden=8, layers=1, heads=1, feed_forward=8).model,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=trl.GRPOConfig(str(tmp_path), use_cpu=True, bf16=False, num_generations=2, report_to=[]),
        train_dataset=Dataset.from_list([{"prompt": asked}]),
        tools=list(functions.bind(Recorder())),
    )
    text = trainer.processing_class.apply_chat_template(
        asked, tools=trainer.tools, chat_template=trainer.chat_template, tokenize=False
    )
    listed = text.partition("<tools>\n")[2].partition("\n</tools>")[0].splitlines()
    found = [json.loads(line)["function"] for line in listed]
    for ours, theirs in zip(functions.shown(), found, strict=True):
        assert {name: theirs[name] for name in ours} == ours


def test_verl_registers_the_functions_and_reads_the_same(monkeypatch):
    if importlib.util.find_spec("verl") is None:
        pytest.skip("verl is not installed here: make test-scale")
    from verl.tools import function_tool as registry

    monkeypatch.setattr(registry, "FUNCTION_TOOL_REGISTRY", {})
    for function, wanted in zip(functions.bind(Recorder()), functions.shown(), strict=True):
        assert registry.function_tool(function) is function
        found = registry.get_function_tool(function.__name__).tool_schema
        found = found.model_dump(exclude_unset=True, exclude_none=True)["function"]
        assert found == without_items(wanted)


def test_a_call_of_a_function_is_a_call_of_the_tools(tools):
    recorder = Recorder()
    search, visit = functions.bind(recorder)
    assert search(["a", "b"]) == "seen search" and visit(["http://a.test/kestin"], "the mayor") == "seen visit"
    assert recorder.asked == [
        ("search", {"query": ["a", "b"]}),
        ("visit", {"url": ["http://a.test/kestin"], "goal": "the mayor"}),
    ]
    search, visit = functions.bind(tools)
    assert "1. [Kestin](http://a.test/kestin)" in search(["Kestin"])
    assert "Its mayor is Ada Veron." in visit(url=["http://a.test/kestin"], goal="mayor")


def test_what_the_agent_does_wrong_is_an_observation(tools):
    search, visit = functions.bind(tools)
    assert search([]).startswith("Error: 'query' is '[]'") and visit(["http://x.test"], " ").startswith("Error: 'goal'")


def test_the_functions_are_plain():
    for function in functions.bind(Recorder()):
        parameters = inspect.signature(function).parameters.values()
        assert all(p.annotation is not p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
        assert inspect.signature(function).return_annotation is str


@pytest.mark.parametrize("head", ["no tools here", "<tools>\n{}", "<tools>\n{not json}\n</tools>"])
def test_a_prompt_without_tools_is_refused(head):
    with pytest.raises(ValueError, match="<tools>"):
        functions.shown(head)


def test_a_function_that_does_not_describe_itself_is_refused():
    def bare(query: list[str]) -> str:
        return ""

    with pytest.raises(Exception, match="bare|docstring"):
        functions.schema(bare)
