// Views as a coordinator gives them: one running job, one that waits, one that is held.
#pragma once

namespace still::cli {

// 2026-11-22 13:05:00 UTC
inline constexpr const char* kQueueJson = R"({
"now_ms": 1795352700000,
"jobs": [
 {"id": 4, "name": "ablation/full/train", "pipeline": 2, "owner": "alice", "stage": "train", "state": "RUNNING",
  "flags": ["STRAGGLING"], "cause": "STARTED", "message": "", "reason": "", "position": 0, "predicted_start_ms": 0,
  "priority": 10, "ranks": 2, "slots_per_rank": 1, "hosts": ["a:1", "b:1"], "attempt": 1, "generation": 2,
  "failures": 0, "submitted_ms": 1795352100000, "since_ms": 1795352513000, "started_ms": 1795352513000,
  "ended_ms": 0, "eligible_ms": 0, "time_limit_ms": 7200000,
  "progress": {"done": 123, "total": 400, "unit": "steps", "tokens": 240000, "tokens_per_second": 12345.6,
               "seconds_left": 187},
  "values": {"loss": 2.34567, "learning_rate": 0.0005}},
 {"id": 5, "name": "ablation/no-mlm/train", "pipeline": 2, "owner": "alice", "state": "PENDING", "flags": [],
  "cause": "SUBMITTED", "reason": "needs 2 slots, 0 are free", "position": 1, "predicted_start_ms": 1795352940000,
  "priority": 0, "ranks": 2, "slots_per_rank": 1, "hosts": [], "attempt": 0, "since_ms": 1795352688000},
 {"id": 7, "name": "other/\u001b[31mtrain", "pipeline": 3, "owner": "bob", "state": "HELD", "since_ms": 1795352688000,
  "ranks": 1, "slots_per_rank": 1}
]})";

inline constexpr const char* kJobJson = R"({
"now_ms": 1795352700000,
"job": {"id": 4, "name": "ablation/full/train", "pipeline": 2, "owner": "alice", "stage": "train", "state": "RUNNING",
  "flags": [], "cause": "STARTED", "message": "", "reason": "", "priority": 10, "slots_per_rank": 1,
  "hosts": ["a:1", "b:1"], "attempt": 1, "generation": 2, "failures": 0, "submitted_ms": 1795352100000,
  "started_ms": 1795352513000,
  "progress": {"done": 123, "total": 400, "unit": "steps", "tokens": 240000, "tokens_per_second": 12345.6,
               "seconds_left": 187},
  "values": {"loss": 2.34567}, "artifact": "/a/student/0123", "artifacts_root": "/a", "kind": "student",
  "digest": "0123", "depends_on": [1, 3], "log_path": "/s/jobs/4/1/ranks.log", "storage_trouble": "",
  "rank_count": 2,
  "ranks": [{"rank": 0, "host": "a", "pid": 4711, "phase": "compute", "step": 123, "phase_seconds": 0.2},
            {"rank": 1, "host": "b", "phase": "reduce", "step": 123, "phase_seconds": 0.1}],
  "goodput": {"compute": 90, "reduce": 9, "vote": 1, "checkpoint": 0},
  "curves": {"step": [0, 1], "loss": [3, 2]},
  "events": [{"sequence": 9, "at_ms": 1795352513000, "job": 4, "name": "ablation/full/train", "host": "",
              "from": "STARTING", "to": "RUNNING", "cause": "STARTED", "actor": "agent", "message": ""}]}})";

inline constexpr const char* kTopJson = R"({
"now_ms": 1795352700000,
"jobs": [
 {"id": 4, "name": "ablation/full/train", "state": "RUNNING", "flags": [], "hosts": ["a:1", "b:1"],
  "ranks": [{"rank": 0, "phase": "compute"}, {"rank": 1, "phase": "reduce"}, {"rank": 2, "phase": "compute"}],
  "goodput": {"compute": 90, "reduce": 9, "vote": 1}, "values": {"loss": 2.34567},
  "progress": {"done": 100, "total": 400, "unit": "steps", "tokens_per_second": 12345.6, "seconds_left": 187}},
 {"id": 5, "name": "ablation/no-mlm/train", "state": "PENDING", "reason": "needs 2 slots, 0 are free",
  "predicted_start_ms": 1795352940000}],
"hosts": [{"name": "a", "slots": 2, "free": 1, "state": "UP", "reason": "", "jobs": [4], "failures": 0},
          {"name": "b", "slots": 2, "free": 1, "state": "DRAINED", "reason": "new disk", "jobs": [4]}]})";

}  // namespace still::cli
