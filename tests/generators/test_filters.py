from scripts.generators.filters import reason_to_reject, repeats_itself


def test_each_reason_by_an_example_of_its_own():
    seen: set[str] = set()
    fit = "Admitted with fever and given ceftriaxone after a chest x-ray"
    assert reason_to_reject("Fever.", "stop", 5, seen) == "empty"
    assert reason_to_reject(fit + "\x00", "stop", 5, seen) == "NUL"
    assert reason_to_reject(fit, "length", 5, seen) == "truncated"
    assert reason_to_reject("takes aspirin every day " * 9, "stop", 5, seen) == "loop"
    assert reason_to_reject(fit, "stop", 5, seen) is None
    assert reason_to_reject(fit.upper() + "!", "stop", 5, seen) == "duplicate"


def test_a_loop_is_more_than_a_quarter_of_repeated_four_grams():
    # 8 words, 5 four-grams, of which 1 is a repetition: 20 %
    assert not repeats_itself(["a", "b", "c", "d", "a", "b", "c", "d"])
    # 9 words, 6 four-grams, 2 repetitions: 33 %
    assert repeats_itself(["a", "b", "c", "d", "a", "b", "c", "d", "a"])
