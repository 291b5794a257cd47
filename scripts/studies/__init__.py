"""Experiments that choose a setting or test a claim: `python -m scripts.studies.NAME`."""
