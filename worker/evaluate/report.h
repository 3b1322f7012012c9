// The report of an evaluation: the same numbers for machines (report.json, summary.json) and for people (report.txt).
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"
#include "common/storage/artifact.h"

namespace still::worker {

// The score of one model at the masked positions of the held-out text.
struct MaskFillingScore {
  double accuracy = 0;
  double loss = 0;         // cross-entropy, nats
  double kl = 0;           // KL(teacher || model), nats, temperature 1
  double kl_tempered = 0;  // at the training temperature
};

struct ModelCost {
  std::int64_t parameters = 0;
  double latency_seconds = 0;  // median, one sequence
};

struct EvaluationReport {
  std::uint64_t sequences = 0;
  std::uint64_t masked_positions = 0;
  double temperature = 1;            // of training
  std::uint32_t latency_tokens = 0;  // of the sequence timed
  std::uint32_t latency_runs = 0;
  MaskFillingScore teacher, student_initial, student;
  ModelCost teacher_cost, student_cost;
};

// Returns flat numbers: teacher_accuracy, student_accuracy, accuracy_ratio, kl_initial, kl_final, speedup, ...
Summary SummaryOf(const EvaluationReport& report);
// Returns the table for people.
std::string TableOf(const EvaluationReport& report);
// Writes report.json, report.txt and summary.json into `directory`.
Status WriteReport(const EvaluationReport& report, const std::string& identity, const std::string& directory);

}  // namespace still::worker
