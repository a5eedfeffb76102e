"""How commands run on a machine: GPUs, supervision, recovery after a kill, checks before the first job.

Imports nothing beyond the standard library and core: it runs on bare hosts, outside images and environments, before anything is
installed.
"""
