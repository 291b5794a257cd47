"""Scripts that run from a checkout: `python -m scripts.demo`. README.md says what each one answers."""
