"""Prompts that are always right or wrong are drawn less often (GRESO), by the paper's rule; a resumed training draws the same."""

import io
from collections import Counter

import pytest
from mathrl.core.files import UserError
from mathrl.verl.skipping import LEAST, SHARES, History, Sampler, create_sampler

RIGHT, WRONG, MIXED = [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]


def history(explore=0.5, useless=0.25, change=0.01, seed=1):
    return History(explore, useless, change, seed)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("outcome", [RIGHT, WRONG])
def test_a_prompt_is_skipped_with_one_minus_p_to_the_times_it_was_of_no_use(outcome, times):
    known = history(change=0.0)
    for _ in range(times):
        known.note([(7, outcome)])
    share = sum(known.skips(7) for _ in range(20_000)) / 20_000
    assert share == pytest.approx(1 - 0.5**times, abs=0.015)
    assert not any(known.skips(8) for _ in range(100)), "a prompt without a history is drawn"
    known.note([(7, MIXED)])
    assert not any(known.skips(7) for _ in range(100)), "one group with both answers forgets the rest"


def test_another_kind_begins_to_count_anew_and_nothing_is_left_out_for_good():
    known = history(change=0.0)
    for outcome in (RIGHT, RIGHT, WRONG):
        known.note([(1, outcome)])
    assert known.settled == {1: ("wrong", 1)}
    for _ in range(50):
        known.note([(1, WRONG)])
    assert sum(not known.skips(1) for _ in range(20_000)) / 20_000 == pytest.approx(LEAST, abs=0.01)


def test_the_chances_follow_what_came():
    """Above its share of useless groups the chance falls by `change`, below it rises; a third of the share is for right ones."""
    assert SHARES == {"right": 1 / 3, "wrong": 2 / 3}
    known = history()
    told = known.note([(place, RIGHT if place < 2 else WRONG if place < 3 else MIXED) for place in range(12)])
    assert told["skipping/right"] == pytest.approx(2 / 12) and told["skipping/wrong"] == pytest.approx(1 / 12)
    assert told["skipping/chance_right"] == pytest.approx(0.49), "2 of 12 are more than a twelfth"
    assert told["skipping/chance_wrong"] == pytest.approx(0.51), "1 of 12 is less than a sixth"
    assert known.note([])["skipping/chance_wrong"] == pytest.approx(0.52)


def drawn(sampler, outcome, batches, loader=None, note=True):
    """Batches of a data loader, with what comes of them."""
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = loader or StatefulDataLoader(list(range(len(sampler))), batch_size=4, num_workers=0, drop_last=True, sampler=sampler)
    iterator, found = iter(loader), []
    for _ in range(batches):
        sampler.drawn.clear()
        batch = [int(value) for value in next(iterator)]
        assert batch == sampler.drawn, "what was drawn for a batch is known by its place"
        if note:
            sampler.history.note([(place, outcome(place)) for place in batch])
        found.append(batch)
    return found, loader


def outcome(place):
    return RIGHT if place % 3 == 0 else WRONG if place % 3 == 1 else MIXED


def test_a_data_loader_draws_what_teaches_more_often():
    sampler = Sampler(30, history(explore=0.3, change=0.0), 1, shuffle=True)
    found, _ = drawn(sampler, outcome, 150)
    assert found[:7] != [list(range(first, first + 4)) for first in range(0, 28, 4)], "in a shuffled order"
    counts = Counter(place for batch in found for place in batch)
    assert min(counts[place] for place in range(30)) >= 2, "nothing is lost"
    useful, useless = ([counts[place] for place in range(30) if (place % 3 == 2) is kind] for kind in (True, False))
    assert min(useful) > 3 * max(useless)


def test_a_resumed_training_draws_the_same():
    import torch
    from torchdata.stateful_dataloader import StatefulDataLoader

    whole, _ = drawn(Sampler(30, history(), 1, shuffle=True), outcome, 40)
    first = Sampler(30, history(), 1, shuffle=True)
    begun, loader = drawn(first, outcome, 25)
    saved = io.BytesIO()
    torch.save(loader.state_dict(), saved)
    drawn(first, outcome, 3, loader)  # what is drawn after the checkpoint changes nothing of it
    saved.seek(0)
    second = Sampler(30, history(seed=9), 1, shuffle=True)
    again = StatefulDataLoader(list(range(30)), batch_size=4, num_workers=0, drop_last=True, sampler=second)
    again.load_state_dict(torch.load(saved, weights_only=False))
    going_on, _ = drawn(second, outcome, 15, again)
    assert begun + going_on == whole


def test_all_prompts_settled_still_gives_batches():
    sampler = Sampler(5, history(explore=0.01, change=0.0), 1, shuffle=True)
    found, _ = drawn(sampler, lambda _: RIGHT, 60)
    assert len(found) == 60 and set(Counter(place for batch in found for place in batch)) == set(range(5))


def test_a_batch_across_two_passes_has_each_prompt_once():
    sampler = Sampler(30, history(), 1, shuffle=True)
    found, _ = drawn(sampler, lambda _: MIXED, 200)
    assert all(len(set(batch)) == 4 for batch in found)
    counts = Counter(place for batch in found for place in batch).values()
    assert max(counts) - min(counts) <= 3, "27 passes: who is drawn at the end of one may be left out at the beginning of the next"


def test_fewer_prompts_than_a_batch_are_refused():
    from omegaconf import OmegaConf

    told = OmegaConf.create(
        {"skipping": {"explore": 0.5, "useless": 0.25, "change": 0.01}, "seed": 1, "shuffle": True, "train_batch_size": 4}
    )
    assert len(create_sampler(told, range(4))) == 4
    with pytest.raises(UserError, match="the 3 prompts of the training file are fewer than train_batch_size 4; lower it"):
        create_sampler(told, range(3))
