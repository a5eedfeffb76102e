"""How commands run on a machine: GPUs, supervision, recovery after a kill, checks before the first job.

Loads nothing beyond the standard library and core: it runs on bare hosts, outside images and environments, before anything is
installed. What runs in an image, or in Snakemake's own process, imports torch, Ray or Snakemake's parser in its function.
"""
