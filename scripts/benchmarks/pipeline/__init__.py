"""The parts of bench_pipeline: data, contenders and their processes."""
