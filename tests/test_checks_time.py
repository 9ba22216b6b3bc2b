"""Questions tied to an unnamed day: words that do it, and words that only look like it."""

import pytest

from webdancer.checks_time import undated


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Who is the current mayor of Kestin?", "current"),
        ("Which band is currently first?", "currently"),
        ("What is the latest album of the Harbour Boys?", "latest"),
        ("How many goals has she scored so far?", "so far"),
        ("Who won the cup this year?", "this year"),
        ("How many rose over the past 10-15 years?", "past 10-15 years"),
        ("Recent surveys name which city as the greenest?", "recent"),
        ("How many members has the club today?", "today"),
        ("As of now, who leads the company?", "as of now"),
        ("What is the population to date?", "to date"),
        ("目前世界上最高的建筑是哪座？", "目前"),
        ("该公司的现任首席执行官是谁？", "现任"),
        ("今年的冠军是谁？", "今年"),
        ("过去10年中该市新建了几座桥？", "过去10年"),
    ],
)
def test_words_that_need_a_date(question, words):
    assert undated(question) == words


@pytest.mark.parametrize(
    "question",
    [
        "Who was mayor of Kestin in 1998, the latest year of the list?",  # a date
        "As of March 2021, who currently leads the company?",
        "截至2020年，目前最高的建筑是哪座？",
        "Which law links voltage and electric current, and who found it?",
        "Which ocean current warms the coast of Orlen?",
        "Which scientist measured the current of the river?",
        "Who founded the newspaper USA Today?",
        "Which university publishes Current Biology?",
        "Who ruled what is today the Orlen region?",
        "Which town, now known as Tarn, had a castle?",
        "Who died more recently, Ada Moor or Ivo Tal?",
        "So far as the records tell, who built the bridge?",
        "Which film is called The Day After Tomorrow?",
        "Who wrote a novel about the lastyear festival?",
    ],
)
def test_words_that_do_not(question):
    assert undated(question) == ""
