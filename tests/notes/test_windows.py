import re

from hypothesis import given
from hypothesis import strategies as st

from scripts.notes.windows import cut_windows

TEXT = "One two. Three four five.\nSix seven eight nine ten eleven twelve"


def words_of(text):
    return [match.span() for match in re.finditer(r"\S+", text)]


def passages(text, most, lengths=None):
    return [text[a:b] for (a, b), _ in cut_windows(text, words_of(text), most, lengths)]


def test_a_passage_ends_at_a_line_or_a_sentence_of_its_second_half_and_else_at_a_word():
    assert passages(TEXT, 99) == [TEXT]
    assert passages(TEXT, 7) == ["One two. Three four five.\n", "Six seven eight nine ten eleven twelve"]
    assert passages("a b c. d e", 4) == ["a b c. ", "d e"]
    assert passages("a b. c d e", 4) == ["a b. c d ", "e"]  # the sentence ends too early


def test_lengths_count_instead_of_words_and_a_word_too_long_stands_alone():
    lengths = [1, 1, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    assert passages(TEXT, 6, lengths) == [
        "One two. ",
        "Three ",
        "four five.\nSix seven eight nine ",
        "ten eleven twelve",
    ]


@given(
    st.lists(st.tuples(st.text("ab", min_size=1, max_size=4), st.sampled_from([" ", ". ", "\n", "\n\n"])), min_size=1),
    st.integers(1, 9),
    st.data(),
)
def test_passages_follow_each_other_and_none_is_too_long(pieces, most, data):
    text = "".join(word + gap for word, gap in pieces)
    words = words_of(text)
    lengths = data.draw(st.lists(st.integers(0, 12), min_size=len(words), max_size=len(words)))
    cut = cut_windows(text, words, most, lengths)
    assert "".join(text[a:b] for (a, b), _ in cut) == text
    assert [word for _, inside in cut for word in words[inside]] == words
    left = iter(lengths)
    for _, inside in cut:
        own = [next(left) for _ in words[inside]]
        assert sum(own) <= most or sum(own[:-1]) == 0 or len(own) == 1
