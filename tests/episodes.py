"""Hand-made episodes with verdicts, for tests of the evaluation: one search, then an answer."""

from webdancer.core import protocol
from webdancer.core.schema import Trajectory
from webdancer.evaluate_predictions import score

SEARCH = protocol.render_turn(protocol.Turn("Look.", "search", {"query": ["Kestin mayor"]}))
READ = "A search for 'Kestin mayor' found 1 results:\n\n## Web Results\n1. [Kestin](http://a.test/k)\n\n{}"


def trajectory(
    said="Ada Veron", gold="Ada Veron", read="Its mayor is Ada Veron.", stop="answer", q="q1", sample=0, **more
):
    turns = [
        {"role": "system", "content": "Search, visit, answer."},
        {"role": "user", "content": "Who is the mayor of Kestin?"},
        {"role": "assistant", "content": SEARCH},
        {"role": "user", "content": protocol.render_response(READ.format(read))},
    ]
    if stop == "answer":
        turns.append({"role": "assistant", "content": protocol.render_turn(protocol.Turn("Done.", answer=said))})
    fields = {"tag": "multihop", "hops": 1, "n_calls": 1, **more}
    return Trajectory(tuple(turns), ((gold,),), question_id=q, sample=sample, prediction=said, stop=stop, **fields)


def one(**keywords):
    """A prediction of model "m"; arguments of `trajectory`."""
    return score("m", [trajectory(**keywords)])[0]


def sampled(name, pattern, **fields):
    """Predictions of a model; `pattern`: question to a string of 1 (right) and 0, a sample each."""
    rows = [
        trajectory("Ada Veron" if c == "1" else "Bo Lind", q=q, sample=i, **fields)
        for q, verdicts in pattern.items()
        for i, c in enumerate(verdicts)
    ]
    return score(name, rows)
