"""The parts of bench_gallery: data, contenders, their processes, and the figure."""
