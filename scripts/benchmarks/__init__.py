"""Speed, memory and accuracy: `python -m scripts.benchmarks.bench_NAME`."""
