// Views of a coordinator in protobuf's text format: a student in training, one that waits, and a job that is held.
#pragma once

namespace still::cli {

// 2026-11-22 13:05:00 UTC
inline constexpr const char* kQueueView = R"(now_ms: 1795352700000,
jobs: [
 {id: 4, name: "ablation/full/train", pipeline: 2, pipeline_name: "ablation", owner: "alice",
  stage: STAGE_TRAIN, state: JOB_RUNNING,
  flags: [JOB_FLAG_STRAGGLING], cause: CAUSE_STARTED, message: "", reason: "", position: 0, predicted_start_ms: 0,
  priority: 10, ranks: 2, slots_per_rank: 1, placement: [{host: "a" ranks: 1}, {host: "b" ranks: 1}], attempt: 1,
  generation: 2, failures: 0, submitted_ms: 1795352100000, since_ms: 1795352513000, started_ms: 1795352513000,
  ended_ms: 0, eligible_ms: 0, time_limit_ms: 7200000,
  progress: {done: 123, total: 400, unit: PROGRESS_UNIT_STEPS, tokens: 240000, tokens_per_second: 12345.6,
               seconds_left: 187},
  values: [{key: "loss" value: 2.34567}, {key: "learning_rate" value: 0.0005}]},
 {id: 5, name: "ablation/no-mlm/train", pipeline: 2, pipeline_name: "ablation", owner: "alice", state: JOB_PENDING,
  cause: CAUSE_SUBMITTED, reason: "needs 2 slots, 0 are free", position: 1, predicted_start_ms: 1795352940000,
  priority: 0, ranks: 2, slots_per_rank: 1, attempt: 0, since_ms: 1795352688000},
 {id: 7, name: "other/\u001b[31mtrain", pipeline: 3, pipeline_name: "other", owner: "bob",
  state: JOB_HELD, since_ms: 1795352688000,
  reason: "held by alice",
  ranks: 1, slots_per_rank: 1}
])";

inline constexpr const char* kJobView = R"(now_ms: 1795352700000,
job: {id: 4, name: "ablation/full/train", pipeline: 2, pipeline_name: "ablation", owner: "alice",
  stage: STAGE_TRAIN, state: JOB_RUNNING,
  cause: CAUSE_STARTED, message: "", reason: "", priority: 10, slots_per_rank: 1,
  placement: [{host: "a" ranks: 1}, {host: "b" ranks: 1}], attempt: 1, generation: 2, failures: 0,
  submitted_ms: 1795352100000, started_ms: 1795352513000,
  progress: {done: 123, total: 400, unit: PROGRESS_UNIT_STEPS, tokens: 240000, tokens_per_second: 12345.6,
               seconds_left: 187},
  values: [{key: "loss" value: 2.34567}], artifact: "/a/student/0123", artifacts_root: "/a", kind: "student",
  digest: "0123", depends_on: [1, 3], log_path: "/s/jobs/4/1/ranks.log", storage_trouble: "",
  ranks: 2,
  members: [{rank: 0, host: "a", pid: 4711, phase: PHASE_COMPUTE, step: 123, phase_seconds: 0.2},
            {rank: 1, host: "b", phase: PHASE_REDUCE, step: 123, phase_seconds: 0.1}],
  goodput: [{kind: GOODPUT_KIND_COMPUTE seconds: 90}, {kind: GOODPUT_KIND_REDUCE seconds: 9},
            {kind: GOODPUT_KIND_VOTE seconds: 1},
            {kind: GOODPUT_KIND_CHECKPOINT seconds: 0}],
  events: [{sequence: 9, at_ms: 1795352513000, job_id: 4, name: "ablation/full/train", host: "",
              from: JOB_STARTING, to: JOB_RUNNING, cause: CAUSE_STARTED, actor: "agent", message: ""}]})";

inline constexpr const char* kTopView = R"(now_ms: 1795352700000,
jobs: [
 {id: 4, name: "ablation/full/train", state: JOB_RUNNING, placement: [{host: "a" ranks: 1}, {host: "b" ranks: 1}],
  members: [{rank: 0, phase: PHASE_COMPUTE}, {rank: 1, phase: PHASE_REDUCE}, {rank: 2, phase: PHASE_COMPUTE}],
  goodput: [{kind: GOODPUT_KIND_COMPUTE seconds: 90}, {kind: GOODPUT_KIND_REDUCE seconds: 9},
            {kind: GOODPUT_KIND_VOTE seconds: 1}],
  values: [{key: "loss" value: 2.34567}],
  progress: {done: 100, total: 400, unit: PROGRESS_UNIT_STEPS, tokens_per_second: 12345.6, seconds_left: 187}},
 {id: 5, name: "ablation/no-mlm/train", state: JOB_PENDING, reason: "needs 2 slots, 0 are free",
  predicted_start_ms: 1795352940000}],
hosts: [{name: "a", slots: 2, free: 1, state: HOST_STATE_UP, reason: "", job_ids: [4], failures: 0},
          {name: "b", slots: 2, free: 1, state: HOST_STATE_DRAINED, reason: "new disk", job_ids: [4]}])";

}  // namespace still::cli
