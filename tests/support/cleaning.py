"""Options of the cleaning that keep whatever a test does not ask about, and problems with the ids that cleaning gives."""

from mathrl.data.problems import numbered, problem_ids

SETTINGS = {
    "max_quarantine": 0.5,
    "max_dropped": 0.5,
    "verifiable": False,
    "duplicates": "near",
    "near_similarity": 0.8,
    "english_only": False,
    "sources": None,
}


def add_ids(frame):
    """The frame with the column `id`, as cleaning makes it."""
    return frame.with_columns(id=numbered(problem_ids(frame["problem"])))
