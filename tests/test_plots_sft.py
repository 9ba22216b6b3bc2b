"""Tables and figures of 05_sft: the numbers by hand, and that the drawing says what it shows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webdancer import sft
from webdancer.agent import optim, policy, tokens
from webdancer.agent.rollout import Episode
from webdancer.core.schema import Question, Trajectory
from webdancer.show import lessons
from webdancer.show import plots_sft as p

EXAMPLES = [
    sft.Example((1, 2, 3, 4), (False, False, False, True), 1),
    sft.Example((1, 2), (False, True), 1),
    sft.Example((1, 2, 3), (False, True, True), 3),
]


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.train_tokenizer(["Tal Veron was born in Orlen Ford."] * 3, 600)


def test_token_texts_keep_the_space_between_words(tokenizer):
    ids = tokens.encode(tokenizer, "Tal Veron was")
    assert p.token_texts(tokenizer, ids) == ["Tal", " Veron", " was"]
    assert p.token_texts(tokenizer, []) == []


@given(st.text(max_size=12))
@settings(deadline=None, max_examples=50)
def test_token_texts_joined_are_the_text(text):
    tokenizer = tokens.train_tokenizer(["Tal Veron"], 600)
    ids = tokens.encode(tokenizer, text)
    texts = p.token_texts(tokenizer, ids)
    assert len(texts) == len(ids) and "".join(texts) == tokenizer.decode(ids)


def test_exact_turns_counts_what_the_tokenizer_loses(tokenizer):
    said = ["<think>\nTal\n</think>\n<answer>\nTal\n</answer>", "Zoë  said 日本\n"]
    turns = [
        message for s in said for message in ({"role": "user", "content": "?"}, {"role": "assistant", "content": s})
    ]
    chat = Trajectory(tuple(turns), (("Tal",),))
    assert p.exact_turns(tokenizer, [chat, chat]) == (4, 4)

    class Lossy:
        """Decodes in lower case; all else is the tokenizer's."""

        def __getattr__(self, name):
            return getattr(tokenizer, name)

        def decode(self, ids):
            return tokenizer.decode(ids).lower()

    assert p.exact_turns(Lossy(), [chat]) == (0, 2)


def test_token_costs_of_an_untrained_model_add_up_to_its_loss(tokenizer):
    tiny = policy.build_tiny(tokenizer, hidden=24, layers=1, heads=2, feed_forward=32)
    example = sft.Example((5, 6, 7, 8), (True, False, True, True), 1)
    costs = p.token_costs(tiny, example)
    assert costs[:2] == [0.0, 0.0]  # nothing stands before the first token; the second was read
    assert sum(costs) / 2 == pytest.approx(sft.evaluate_loss(tiny, [example]), rel=1e-5)


def test_tries_table_by_hand():
    def episode(prediction, stop, form):
        return Episode("q", 0, [], [], [], [], prediction=prediction, stop=stop, format_ok=form)

    questions = [Question("q", "Who?", "Tal Veron", "multihop", 1)] * 2
    runs = {
        "old": [episode("", "cut", False), episode("Ada Lund", "answer", True)],
        "new": [episode("Tal Veron", "answer", True), episode("tal veron", "answer", True)],
    }
    assert p.tries_table(runs, questions).values.tolist() == [["old", 2, 1, 0, 1], ["new", 2, 2, 2, 2]]


def test_lengths_by_hand():
    found = p.lengths(EXAMPLES)
    assert found.to_dict("list") == {"hops": [1, 3], "episodes": [2, 1], "context": [2.0, 1.0], "trained": [1.0, 2.0]}


def test_lengths_figure_stacks_and_states_the_share():
    fig = p.lengths_figure(p.lengths(EXAMPLES))
    axis = fig.axes[0]
    assert axis.get_title() == "The loss acts on 44% of the tokens"  # 4 of 9
    assert [[bar.get_height() for bar in part] for part in axis.containers] == [[2.0, 1.0], [1.0, 2.0]]


def log(steps, first, last, seconds):
    loss = np.linspace(first, last, steps)
    return pd.DataFrame({"step": range(steps), "loss": loss, "seconds": np.linspace(0, seconds, steps)})


def test_joined_counts_steps_and_seconds_on():
    both = p.joined(log(2, 7.0, 5.0, 3.0), log(3, 2.0, 1.0, 4.0))
    assert list(both.columns) == ["phase", "step", "loss", "seconds"]
    assert both["phase"].tolist() == ["reading"] * 2 + ["sft"] * 3
    assert both["step"].tolist() == [0, 1, 2, 3, 4]
    assert both["seconds"].tolist() == [0.0, 3.0, 3.0, 5.0, 7.0]
    assert both["loss"].tolist() == [7.0, 5.0, 2.0, 1.5, 1.0]


@pytest.mark.parametrize("reading", [None, pd.DataFrame()])
def test_joined_without_reading_is_the_sft_log(reading):
    alone = p.joined(reading, log(3, 2.0, 1.0, 4.0))
    assert alone["phase"].tolist() == ["sft"] * 3 and alone["step"].tolist() == [0, 1, 2]


def test_loss_figure_shades_the_reading_and_starts_the_mean_anew():
    run = p.joined(log(12, 7.0, 4.0, 1.0), log(28, 1.0, 0.1, 1.0))
    fig = p.loss_figure(run.assign(aside=[None] * 19 + [3.0] + [None] * 19 + [0.2]), "It falls")
    axis = fig.axes[0]
    assert axis.get_yscale() == "log" and axis.get_title() and axis.get_xlabel() and axis.get_ylabel()
    assert len(axis.patches) == 1
    labels = [t.get_text() for t in axis.get_legend().get_texts()]
    assert labels == [
        "training, every token",
        "learning to read",
        "training, assistant's tokens",
        "set aside, assistant's tokens",
    ]
    mean = axis.lines[2]
    assert mean.get_xdata()[0] == 12 and mean.get_ydata()[0] == pytest.approx(1.0)
    assert axis.lines[3].get_xdata().tolist() == [19, 39]


def test_loss_figure_of_a_plain_run_has_no_marks():
    fig = p.loss_figure(p.joined(None, log(3, 7.0, 6.0, 1.0)), "Three steps")
    axis = fig.axes[0]
    assert not axis.patches
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["training, assistant's tokens"]


def test_the_exercises_of_the_notebook_accept_a_right_solution():
    def masked(logp, mask):
        return -sum(a * m for a, m in zip(logp, mask, strict=True)) / sum(mask)

    cases = [(([-1.0, -2.0, -3.0, -4.0], [0, 1, 1, 0]), 2.5), (([-0.5, -9.0], [1, 0]), 0.5)]
    assert lessons.check(masked, cases)
    rates = [(0, 100, 10, 0.6), (9, 100, 10, 0.6), (60, 100, 10, 0.6), (80, 100, 10, 0.6)]
    assert lessons.check(optim.schedule, list(zip(rates, [0.1, 1.0, 1.0, 0.5], strict=True)))


def test_costs_by_turn_are_those_of_its_tokens(tokenizer):
    tiny = policy.build_tiny(tokenizer, hidden=24, layers=1, heads=2, feed_forward=32)
    long = sft.Example((5, 6, 7, 8, 9), (False, True, True, False, True), 1)  # turns of 2 tokens and of 1
    short = sft.Example((5, 6), (False, True), 1)
    found = p.costs_by_turn(tiny, [long, short])
    assert found[["turn", "episodes", "tokens"]].values.tolist() == [[1, 2, 3], [2, 1, 1]]
    costs = p.token_costs(tiny, long)
    assert found["loss"][0] == pytest.approx((costs[1] + costs[2] + p.token_costs(tiny, short)[1]) / 3)
    assert found["loss"][1] == pytest.approx(costs[4])


def test_turns_figure_names_the_hardest_turn():
    data = pd.DataFrame({"turn": [1, 2, 3], "episodes": [40, 4, 3], "tokens": [90, 40, 9], "loss": [0.05, 0.2, 0.9]})
    axis = p.turns_figure(data).axes[0]
    assert axis.get_title() == "Turn 2 is the hardest: 0.200 nats a token"
    assert [bar.get_height() for bar in axis.patches] == [0.05, 0.2, 0.9]
    assert [t.get_text() for t in axis.texts] == ["40 ep.", "4 ep.", "3 ep."]  # too few for the title


def test_mask_figure_shows_one_triangle_an_episode():
    axis = p.mask_figure([3, 2]).axes[0]
    assert axis.get_title() == "9 of 25 pairs may meet"  # 6 + 3
    shown = axis.images[0].get_array().filled(0)
    assert shown.tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]]
    assert len(axis.lines) == 2
