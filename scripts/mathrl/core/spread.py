"""A few of many, evenly spread, so that a sample does not lean to one end of a file."""


def spread(count: int, most: int) -> list[int]:
    """At most `most` positions, evenly spread over range(count)."""
    return list(range(count)) if count <= most else [place * count // most for place in range(most)]
