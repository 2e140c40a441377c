"""Evaluation of a run or an encoder by the protocols of the papers."""
