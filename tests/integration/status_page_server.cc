// Serves the real HTTP server and views over a made-up cluster, for status_page_test.py. It prints its URL with the
// token, then every change that it is asked for, and ends when its standard input ends.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "coordinator/http/http_server.h"
#include "coordinator/http/question.h"
#include "coordinator/views/metrics_text.h"
#include "coordinator/views/view_json.h"
#include "tests/testing/made_up_cluster.h"

namespace {

using still::Result;
using still::coordinator::HttpQuestion;
using still::testing::MadeUpCluster;

constexpr const char* kToken = "s3cret";

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

Result<std::string> Change(const HttpQuestion& question, MadeUpCluster* cluster) {
  still::coordinator::Changes changes;
  stillhouse::v1::ClientReply reply;
  if (question.request.has_change()) {
    const auto& change = question.request.change();
    const auto* job = cluster->state.FindJob(change.jobs(0));
    if (job == nullptr) return still::Error(still::Code::kNotFound, "there is no job {}", change.jobs(0));
    Say(fmt::format("{} job {}", still::EnumWord(change.verb()), job->id()));
    changes.jobs.push_back(*job);
    changes.jobs.back().set_state(stillhouse::v1::JOB_COMPLETING);
    changes.jobs.back().set_after(stillhouse::v1::JOB_CANCELLED);
    reply.add_jobs(job->id());
  } else {
    const auto& change = question.request.change_host();
    if (!cluster->state.hosts().contains(change.host())) {
      return still::Error(still::Code::kNotFound, "there is no host {}", change.host());
    }
    Say(fmt::format("{} host {}: {}", change.drain() ? "DRAIN" : "UNDRAIN", change.host(), change.reason()));
    changes.hosts.push_back(cluster->state.hosts().at(change.host()));
    changes.hosts.back().set_drained(change.drain());
    changes.hosts.back().set_drain_reason("drained by web: " + change.reason());
  }
  cluster->state.Apply(changes);
  return still::coordinator::HttpAnswer(reply);
}

Result<std::string> Answer(const HttpQuestion& question, MadeUpCluster* cluster) {
  if (question.metrics) {
    return still::coordinator::MetricsText(cluster->state, cluster->live, cluster->waits,
                                           {.journal_sequence = 49, .started_ms = MadeUpCluster::kNow - 2000},
                                           MadeUpCluster::kNow);
  }
  if (!question.request.has_query()) return Change(question, cluster);
  STILL_ASSIGN_OR_RETURN(const still::v1::View view,
                         still::coordinator::BuildView(question.request.query(), cluster->state, cluster->live,
                                                       cluster->waits, cluster->sources(), MadeUpCluster::kNow));
  return still::coordinator::ViewJson(view);
}

bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte = 0;
  return ::poll(&input, 1, 10) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0;
}

}  // namespace

int main(int argc, char** argv) {
  MadeUpCluster cluster;
  still::coordinator::QuestionQueue questions;
  const auto port = static_cast<std::uint16_t>(argc > 1 ? std::stoi(argv[1]) : 0);
  auto server = still::coordinator::HttpServer::Start(
      {.port = port, .token = kToken}, [&](const HttpQuestion& question) { return questions.AskAndWait(question); });
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return still::ExitCode(server.status());
  }
  Say((*server)->url() + "?token=" + kToken);
  while (!InputEnded()) questions.AnswerAll([&](const HttpQuestion& question) { return Answer(question, &cluster); });
  questions.Close();
  return 0;
}
