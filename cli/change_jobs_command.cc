#include "cli/change_command.h"

#include <fmt/ranges.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/text.h"

namespace still::cli {
namespace {

namespace v1 = stillhouse::v1;

struct VerbWords {
  v1::ChangeJobs::Verb wire;
  const char* done;
};

VerbWords WordsOf(JobVerb verb) {
  switch (verb) {
    case JobVerb::kCancel: return {v1::ChangeJobs::CANCEL, "cancelled"};
    case JobVerb::kHold: return {v1::ChangeJobs::HOLD, "held"};
    case JobVerb::kRelease: return {v1::ChangeJobs::RELEASE, "released"};
    case JobVerb::kRequeue: return {v1::ChangeJobs::REQUEUE, "requeued"};
    case JobVerb::kSetPriority: return {v1::ChangeJobs::SET_PRIORITY, "changed the priority of"};
  }
  STILL_CHECK(false, "no such verb");
}

}  // namespace

Status ChangeJobsCommand(const ChangeFlags& flags) {
  if (flags.jobs.empty() == flags.pipeline.empty())
    return Error(Code::kInvalidArgument, "name jobs, or all jobs of one with --pipeline");
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  const VerbWords words = WordsOf(flags.verb);
  v1::ClientRequest request;
  v1::ChangeJobs& change = *request.mutable_change();
  change.set_verb(words.wire);
  change.set_priority(flags.priority);
  for (const std::string& job : flags.jobs) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t id, FindJob(*client, job));
    change.add_jobs(id);
  }
  if (!flags.pipeline.empty()) {
    STILL_ASSIGN_OR_RETURN(const std::uint64_t pipeline, FindPipeline(*client, flags.pipeline));
    change.set_pipeline(pipeline);
  }
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client->Call(std::move(request)));
  const std::vector<std::uint64_t> changed(reply.jobs().begin(), reply.jobs().end());
  if (flags.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"changed", changed}, {"message", reply.message()}}.dump(2));
    return Ok();
  }
  const std::string message = reply.message().empty() ? "" : ": " + Escaped(reply.message());
  if (changed.empty()) {
    fmt::print("nothing changed{}\n", message);
  } else {
    fmt::print("{} {}: {}{}\n", words.done, changed.size() == 1 ? "job" : "jobs", fmt::join(changed, ", "), message);
  }
  return Ok();
}

Status ChangeHostCommand(const HostFlags& flags) {
  STILL_ASSIGN_OR_RETURN(const auto client, ConnectToCoordinator(flags.connection));
  v1::ClientRequest request;
  v1::ChangeHost& change = *request.mutable_change_host();
  change.set_host(flags.host);
  change.set_drain(flags.drain);
  change.set_reason(flags.reason);
  STILL_ASSIGN_OR_RETURN(const v1::ClientReply reply, client->Call(std::move(request)));
  if (flags.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"host", flags.host}, {"message", reply.message()}}.dump(2));
  } else {
    fmt::print("{} is {}{}\n", Escaped(flags.host),
               flags.drain ? "drained: what runs there goes on, nothing new starts" : "back in service",
               reply.message().empty() ? "" : "; " + Escaped(reply.message()));
  }
  return Ok();
}

}  // namespace still::cli
