"""Models: a published directory made ready without running code from a hub, an engine started, and a served one asked, its cost counted."""
