#!/usr/bin/env python3
"""How long training stands still for a checkpoint, beside how long its write takes; and the snapshot of every step.

    python3 bench/checkpoint_stall.py [--steps 40]
"""

import argparse
import pathlib
import re
import shutil
import statistics
import tempfile

import ours


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--every", type=int, default=8, help="steps between checkpoints")
    options = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="stall-", dir=ours.ROOT / "out"))
    try:
        ours.prepare(directory)
        config = ours.write_config(directory, steps=options.steps, checkpoint_steps=options.every)
        if ours.train(config, directory / "log.txt").wait() != 0:
            print((directory / "log.txt").read_text())
            return 1
        lines = ours.step_lines(directory)
        log = (directory / "artifacts/runs/bench/train.log").read_text()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    # Rank 0 writes the larger part. The last checkpoint has no training beside it.
    written = re.findall(r"rank-0: checkpoint of step (\d+): copied in ([\d.]+) s, written in ([\d.]+) s", log)
    written = [(int(step), float(copy), float(write)) for step, copy, write in written if int(step) < options.steps]
    warm = [line for line in lines if line["step"] >= 3]
    median = statistics.median(line["seconds"] for line in warm)
    busy = []
    for step, _, write in written:
        seconds = 0
        for line in lines[step:]:
            busy.append(line["seconds"])
            seconds += line["seconds"]
            if seconds > write:
                break
    stall = statistics.median(copy for _, copy, _ in written)
    write = statistics.median(write for _, _, write in written)
    snapshot = statistics.median(line["snapshot_seconds"] for line in warm)
    print(f"checkpoints                     {len(written)}")
    print(f"training stands still           {stall * 1e3:.0f} ms (median)")
    print(f"the write takes                 {write * 1e3:.0f} ms")
    print(f"stall / write                   {stall / write:.3f}   (aim 0.10)")
    print(f"step, median                    {median * 1e3:.0f} ms")
    print(f"slowest step while one writes   {max(busy) / median:.2f} x the median   (aim 1.5)")
    print(f"snapshot in memory              {snapshot * 1e3:.0f} ms a step, {100 * snapshot / median:.1f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
