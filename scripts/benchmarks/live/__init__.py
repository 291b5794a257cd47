"""The parts of bench_live: videos, sources, contenders, and what is measured of them."""
