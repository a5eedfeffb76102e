"""The study report: one self-contained HTML file and the figures in it."""
