"""From a pinned download to verl's training files, each row that is dropped counted."""
