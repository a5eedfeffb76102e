"""An account over processes: what is in flight counts, and no limit is passed by two at once."""

import threading

from mathrl.config.entry import Limits
from mathrl.models.spending import Account, Cost


def test_processes_share_an_account(tmp_path):
    one, other = Account(tmp_path, "judge"), Account(tmp_path, "judge")
    limits = Limits(tokens=100)
    first = one.reserve_within(limits, Cost(1, 60))
    assert first and other.reserve_within(limits, Cost(1, 60)) is None and other.in_doubt == 1
    one.settle(first, Cost(1, 20), kind="answer")
    assert other.reserve_within(limits, Cost(1, 60)) and other.spent == Cost(2, 80)
    assert Account(tmp_path, "judge").spent == Cost(2, 80), "what a kill left in flight counts in full"
    assert Account(tmp_path, "another").spent == Cost()


def test_many_at_once_pass_no_limit(tmp_path):
    accounts = [Account(tmp_path, "judge") for _ in range(4)]
    taken = []

    def take(account):
        for _ in range(20):
            taken.append(account.reserve_within(Limits(tokens=300), Cost(1, 10)))

    threads = [threading.Thread(target=take, args=(account,)) for account in accounts for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(name is not None for name in taken) == 30 and Account(tmp_path, "judge").spent == Cost(30, 300)
