"""verl's replay buffer with a poll of 50 ms (trainer.v1.sampler.custom_sampler).

The built-in one looks every two seconds whether the rollout has finished, which is longer than a whole step of the demo.
Not for dynamic sampling: verl gives `filter_groups` to its built-in buffer only.
"""

from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer


class FastPollReplayBuffer(ReplayBuffer):
    """ReplayBuffer that polls twenty times a second."""

    def __init__(self, **kwargs) -> None:
        super().__init__(poll_interval=0.05, **kwargs)
