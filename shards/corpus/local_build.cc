#include "shards/corpus/local_build.h"

#include <string>

#include "common/clock.h"

namespace still::shards {

namespace {

using OnProgress = std::function<Status(const CorpusProgress&, std::uint64_t input_bytes)>;

Status MakeAllTasks(CorpusBuild& build, const OnProgress& on_progress) {
  CorpusProgress done;  // by earlier tasks
  for (const CorpusPass pass : {CorpusPass::kTokenise, CorpusPass::kPlan, CorpusPass::kCopy}) {
    STILL_ASSIGN_OR_RETURN(const std::uint32_t tasks, build.Tasks(pass));
    for (std::uint32_t task = 0; task < tasks; ++task) {
      const auto made = build.MadeDigest(pass, task);
      CorpusProgress progress = {.input_bytes = build.InputBytes(pass, task), .documents = 0, .tokens = 0};
      if (made.status().code() == Code::kNotFound) {
        const auto report = [&](const CorpusProgress& of_task) {
          progress = of_task;
          return on_progress({.input_bytes = done.input_bytes + progress.input_bytes,
                              .documents = done.documents + progress.documents,
                              .tokens = done.tokens + progress.tokens},
                             build.input_bytes());
        };
        std::string computed;
        STILL_RETURN_IF_ERROR(build.Make(pass, task, report, &computed).status());
      } else {
        STILL_RETURN_IF_ERROR(made.status());
      }
      done.input_bytes += progress.input_bytes;
      done.documents += progress.documents;
      done.tokens += progress.tokens;
    }
  }
  return Ok();
}

}  // namespace

Status BuildCorpus(const v1::CorpusConfig& config, const CorpusInputs& inputs, const ArtifactStore& artifacts,
                   const OnProgress& on_progress) {
  const Clock& clock = Clock::System();
  const Clock::TimePoint start = clock.Now();
  STILL_ASSIGN_OR_RETURN(CorpusBuild build, CorpusBuild::Open(config, inputs, artifacts));
  if (build.Committed()) return Ok();
  Status made = MakeAllTasks(build, on_progress);
  if (made.ok()) made = build.Commit({{"seconds", SecondsSince(clock, start)}});
  return build.Committed() ? Ok() : made;  // another process may have been faster
}

}  // namespace still::shards
