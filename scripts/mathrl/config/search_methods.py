"""What the configuration and the search for contaminated rows both say of methods.

Without the sections of the configuration: an edit of those is none of the programs that clean and search, which would run again.
"""

WITH_A_MODEL = ("semantic", "reworded")


def searched_by(name: str) -> str:
    """The method that finds what `name` in `remove` takes: `similar` are semantic matches without confirmation."""
    return "semantic" if name == "similar" else name
