"""Options of the cleaning that keep whatever a test does not ask about."""

SETTINGS = {
    "max_quarantine": 0.5,
    "max_dropped": 0.5,
    "verifiable": False,
    "duplicates": "near",
    "near_similarity": 0.8,
    "english_only": False,
    "sources": None,
}
