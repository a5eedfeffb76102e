"""Which training problems are benchmark problems? Five methods, one table of matches, each with its evidence (docs/reference/data.md)."""

from mathrl.decontamination.search import find_matches, find_matches_in
from mathrl.decontamination.settings import METHODS, Settings
from mathrl.decontamination.summary import contamination_rows, summarise

__all__ = ["METHODS", "Settings", "contamination_rows", "find_matches", "find_matches_in", "summarise"]
