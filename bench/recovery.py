#!/usr/bin/env python3
"""Kills a rank of a training run again and again, and measures what each death costs.

    python3 bench/recovery.py [--side inplace --side relaunch --side peer] [--kills 5] [--json recovery.json]

Ours in both ways of recovery (state in memory after every step), and torchrun with DDP (a checkpoint file a step).

A side is anything that trains and tells of its steps (class Side); `measure` does the same to each. For every kill:
wait until some steps are finished, wait a fraction of a step more (each kill falls into another part of a step),
SIGKILL a rank that is not rank 0, and measure

  seconds  from the kill to the first finished step beyond those finished before it
  redone   steps finished before the kill and made again after it

A step is finished when every rank that takes part has said so. Times are those the ranks wrote, by the same clock as
the kill's. Needs the standard library only; each side says what it needs itself.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import ours

ROOT = pathlib.Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.005


class Failed(Exception):
    """A side that does not do what it should; the message says what was seen."""


@dataclasses.dataclass(frozen=True)
class Report:
    """One rank's word that it finished a step."""

    step: int
    time: float  # time.time() of the rank
    rank: int
    pid: int


class Side:
    """A training run under test. start, then any number of reports and alive, then stop (also after a failure)."""

    name = ""
    kills_a_run = None  # None: any number; a side whose ranks do not come back names fewer

    def start(self, directory):
        """Starts to train, with all files in `directory`, which is empty. Returns at once."""
        raise NotImplementedError

    def reports(self):
        """Every Report so far, in the order they were made, over all restarts. Called often."""
        raise NotImplementedError

    def ranks_of(self, step):
        """How many ranks must report `step` for it to be finished."""
        raise NotImplementedError

    def why_dead(self):
        """None while the run goes on, else why it ended."""
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError


class JsonLines:
    """The complete lines of a file that others append to, each read once."""

    def __init__(self, path):
        self.path = path
        self.at = 0

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                data = file.read()
        except FileNotFoundError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        self.at += len(data)
        return [json.loads(line) for line in data.splitlines()]


class TorchrunSide(Side):
    """torchrun restarts bench/peers/ddp_restart.py, which has a checkpoint of every step."""

    name = "torchrun"

    def __init__(self, ranks, torchrun):
        self.ranks = ranks
        self.torchrun = torchrun
        self.process = None

    def start(self, directory):
        if not pathlib.Path(self.torchrun).exists():
            raise Failed(f"there is no {self.torchrun}: run scripts/setup.sh --hf, or say --torchrun PATH")
        self.lines = JsonLines(directory / "steps.jsonl")
        self.seen = []
        self.log = directory / "log.txt"
        command = [self.torchrun, "--standalone", "--nproc-per-node", str(self.ranks), "--max-restarts", "100"]
        command += [str(ROOT / "bench/peers/ddp_restart.py"), "--checkpoint", str(directory / "state.pt")]
        command += ["--reports", str(directory / "steps.jsonl")]
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        with open(self.log, "wb") as log:
            # A process group of its own, so that stop reaches the ranks as well.
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def reports(self):
        self.seen += [Report(line["step"], line["time"], line["rank"], line["pid"]) for line in self.lines.read()]
        return self.seen

    def ranks_of(self, step):
        return self.ranks

    def why_dead(self):
        code = self.process.poll()
        if code is None:
            return None
        end = self.log.read_text(errors="replace").splitlines()[-12:]
        return f"torchrun ended with {code}:\n  " + "\n  ".join(end)

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()  # torchrun ends its ranks, which have sessions of their own
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class OurSide(Side):
    """still run; training.jsonl has a line for every committed step, which all of its ranks have voted for."""

    def __init__(self, mode, ranks):
        self.name = mode
        self.mode = mode
        self.ranks = ranks
        self.kills_a_run = ranks - 1 if mode == "inplace" else None
        self.process = None

    def start(self, directory):
        self.directory = directory
        ours.prepare(directory)
        self.seen, self.known, self.now = [], set(), {}
        self.process = ours.train(ours.write_config(directory, self.ranks, mode=self.mode), directory / "log.txt")

    def reports(self):
        lines = ours.step_lines(self.directory)
        new = [line for line in lines if (line["step"], line["generation"]) not in self.known]
        if not new:
            return self.seen
        seen_at = time.time()
        ranks = ours.ranks_of(self.process.pid)
        for line in new:
            self.known.add((line["step"], line["generation"]))
            self.now[line["step"]] = line["ranks"]
            members = sorted(ranks.items())[: line["ranks"]]
            members += [(rank, 0) for rank in range(len(members), line["ranks"])]  # died meanwhile
            self.seen += [Report(line["step"], seen_at, rank, pid) for rank, pid in members]
        return self.seen

    def ranks_of(self, step):
        return self.now.get(step, self.ranks)

    def why_dead(self):
        code = self.process.poll()
        return None if code is None else f"still ended with {code}:\n" + (self.directory / "log.txt").read_text()

    def stop(self):
        if self.process is not None:
            for log in self.directory.glob("artifacts/runs/bench/train.log"):
                for line in log.read_text(errors="replace").splitlines():
                    if "redone" in line:
                        print(f"{self.name}: {line}", file=sys.stderr)
            self.process.kill()  # its ranks end with it
            self.process.wait()
            time.sleep(1)


def finished_times(side, reports):
    """{step: when it was first finished}."""
    by_step = {}
    for report in reports:
        times = by_step.setdefault(report.step, {})
        times.setdefault(report.rank, report.time)
    return {step: max(times.values()) for step, times in by_step.items() if len(times) >= side.ranks_of(step)}


def wait_for(side, what, condition, timeout):
    """The first true value of `condition()`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        dead = side.why_dead()
        if dead:
            raise Failed(f"{side.name}: while waiting for {what}: {dead}")
        if time.monotonic() > end:
            raise Failed(f"{side.name}: no {what} within {timeout} s")
        time.sleep(POLL_SECONDS)


def kill_once(side, steps_between, fraction, timeout):
    """One death; {"step", "seconds", "redone", "step_seconds"}."""
    start = max(finished_times(side, side.reports()), default=-1)

    def enough():
        finished = finished_times(side, side.reports())
        return finished if max(finished, default=-1) >= start + steps_between else None

    finished = wait_for(side, f"step {start + steps_between}", enough, timeout)
    last_times = [finished[step] for step in sorted(finished)][-steps_between:]
    pace = statistics.median(b - a for a, b in zip(last_times, last_times[1:]))
    time.sleep(pace * fraction)

    before = list(side.reports())
    # Only processes that are known: 0 and below would mean whole groups.
    victim = max((r for r in before if r.pid > 1), key=lambda report: report.time if report.rank != 0 else 0).pid
    killed = time.time()
    os.kill(victim, signal.SIGKILL)
    # Whatever was reported up to the kill was finished before it.
    before = [report for report in side.reports() if report.time <= killed]
    done = max(finished_times(side, before))

    def after():
        return [report for report in side.reports() if report.time > killed]

    def beyond():
        return [time for step, time in finished_times(side, after()).items() if step > done]

    next_finished = min(wait_for(side, f"step {done + 1} after a kill", beyond, timeout))
    redone = {report.step for report in after()} & set(finished_times(side, before))
    return {"step": done, "seconds": next_finished - killed, "redone": len(redone), "step_seconds": pace}


def measure(side, kills, steps_between, timeout):
    """Runs `side` and kills one of its ranks `kills` times; the list of what each cost."""
    results = []
    while len(results) < kills:
        directory = pathlib.Path(tempfile.mkdtemp(prefix=f"recovery-{side.name}-", dir=ROOT / "out"))
        try:
            side.start(directory)
            last = min(kills, len(results) + (side.kills_a_run or kills))
            while len(results) < last:
                fraction = (len(results) + 0.5) / kills
                results.append(kill_once(side, steps_between, fraction, timeout))
                print(f"{side.name}: kill {len(results)} of {kills}: {results[-1]}", file=sys.stderr)
        finally:
            side.stop()
            shutil.rmtree(directory, ignore_errors=True)
    return results


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(results):
    keys = ("seconds", "redone", "step_seconds")
    return {"kills": results} | {key: summary([result[key] for result in results]) for key in keys}


def print_table(sides):
    """A row a side of {name: summarize(...)}."""
    print(f"{'side':<20}{'kills':>6}  {'kill to next step, s':^24}  {'steps redone':^18}  {'step, s':>8}")
    print(f"{'':<20}{'':>6}  {'median':>8}{'min':>8}{'max':>8}  {'median':>8}{'max':>10}  {'median':>8}")
    for name, side in sides.items():
        seconds, redone = side["seconds"], side["redone"]
        print(
            f"{name:<20}{len(side['kills']):>6}  {seconds['median']:>8.2f}{seconds['min']:>8.2f}{seconds['max']:>8.2f}"
            f"  {redone['median']:>8.0f}{redone['max']:>10}  {side['step_seconds']['median']:>8.3f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", action="append", choices=["inplace", "relaunch", "peer"], help="default: all")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="finished before each kill (at least 2)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=120, help="seconds to wait for any one step")
    parser.add_argument("--torchrun", default=str(ROOT / ".venv-hf/bin/torchrun"))
    parser.add_argument("--json", help="where to write all figures")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception: the side is stopped on the way out
    sides = {
        "inplace": lambda: OurSide("inplace", options.ranks),
        "relaunch": lambda: OurSide("relaunch", options.ranks),
        "peer": lambda: TorchrunSide(options.ranks, options.torchrun),
    }
    figures = {}
    try:
        for name in options.side or sides:
            side = sides[name]()
            figures[side.name] = summarize(measure(side, options.kills, max(2, options.steps), options.timeout))
    except Failed as failure:
        print(f"recovery: {failure}", file=sys.stderr)
        return 1
    print_table(figures)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
