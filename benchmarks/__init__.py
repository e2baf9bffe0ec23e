"""Benchmarks: tasks → predictions.jsonl → scores with intervals → report.

A model is known here only as `Callable[[Iterable[Sample]], Iterator[Answer]]` that keeps the order of its
samples. Nothing in this package but benchmarks.perf imports torch, and nothing imports the app.
"""
