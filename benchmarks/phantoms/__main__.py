"""`python -m benchmarks.phantoms --output_path DIR`: writes a data set of phantoms and says what is in it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.phantoms.design import SIZE, TOPICS, design
from benchmarks.phantoms.files import write
from medfly.types import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0 done, 2 the user's input was at fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phantoms", description="Pictures with planted truth.")
    parser.add_argument("--output_path", required=True, type=Path, help="an empty or a new folder")
    parser.add_argument("--images", type=int, default=400, help="how many pictures")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bytes")
    parser.add_argument("--size", type=int, default=SIZE, help="side of a picture in pixels")
    parser.add_argument("--topics", nargs="+", choices=TOPICS, default=TOPICS, help="what is asked; by default all")
    options = parser.parse_args(arguments)
    try:
        planned = design(options.images, options.seed, options.size, options.topics)
        write(planned, options.output_path)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    questions = sum(len(one.questions()) for one in planned)
    splits = ", ".join(f"{split} {count:,}" for split, count in Counter(one.split for one in planned).items())
    print(f"{options.output_path}: {len(planned):,} images ({splits}), {questions:,} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
