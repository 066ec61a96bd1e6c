"""What the benchmarks share: programs and data, timing, memory, the machine, and how figures are kept."""
