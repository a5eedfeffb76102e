"""Problems and solutions from an external model: asked for once, within a budget, and nothing trains before it passed every door."""
