"""How commands run on a machine: GPUs, supervision, recovery after a kill, checks before the first job.

Imports nothing beyond the standard library, so that it works in every environment and starts fast.
"""
