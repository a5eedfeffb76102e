"""Which training problems are benchmark problems? Four methods, one table of matches, each with its evidence (docs/data.md)."""

from .search import METHODS, Settings, find_matches, find_matches_in
from .summary import contamination_rows, summarise

__all__ = ["METHODS", "Settings", "contamination_rows", "find_matches", "find_matches_in", "summarise"]
