"""Math-Verify's verdict on a whole response, for audits and comparisons; runs in capped workers only (it may hang)."""

from __future__ import annotations

import logging
import time


def judge_response(response: str, gold: str) -> list:
    """[verdict, processor seconds] of Math-Verify.

    Math-Verify reads LaTeX between delimiters only: a gold without any needs dollar signs, which the caller puts there.
    """
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    started = time.process_time()
    golds, answers = parse(gold, parsing_timeout=None), parse(response, parsing_timeout=None)
    verdict = bool(verify(golds, answers, timeout_seconds=None))
    return [verdict, time.process_time() - started]
