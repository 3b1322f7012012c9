#include "coordinator/launch/gang_protocol.h"

#include <algorithm>
#include <set>
#include <vector>

#include "common/log.h"

namespace still::coordinator {
namespace {

std::string RankSource(std::uint32_t rank) { return fmt::format("rank {}", rank); }

}  // namespace

Status GangProtocol::OnMessage(const std::string& peer, const v1::Envelope& envelope) {
  const std::uint32_t rank = envelope.rank();
  switch (envelope.body_case()) {
    case v1::Envelope::kProgress: OnProgress(envelope.progress()); break;
    case v1::Envelope::kPartsWritten: return OnPartsWritten(peer, rank, envelope.parts_written());
    case v1::Envelope::kShrinkRequest: return OnShrinkRequest(peer, rank, envelope.shrink_request());
    case v1::Envelope::kStorageTrouble:
      RecordStorageTrouble(RankSource(rank), envelope.storage_trouble().message());
      break;
    default: LogWarn("{}: dropped a message of rank {} that a gang has no use for", EnumWord(options_.stage), rank);
  }
  return Ok();
}

// Rank 0 speaks for all, because every rank counts the same steps.
void GangProtocol::OnProgress(const v1::Progress& progress) {
  launch_.sightings().RecordStep(progress.done());
  options_.on_progress(progress);
}

Status GangProtocol::OnPartsWritten(const std::string& peer, std::uint32_t rank, const v1::PartsWritten& parts) {
  if (options_.publisher == nullptr) {
    LogWarn("{}: rank {} wrote a share of a checkpoint, but this stage keeps none", EnumWord(options_.stage), rank);
    return Ok();
  }
  part_writers_[rank] = peer;
  launch_.sightings().RecordStep(parts.info().step());
  if (published_step_ && parts.info().step() <= *published_step_) {  // the message is a repetition
    v1::Envelope reply;
    reply.mutable_checkpoint_published()->set_step(*published_step_);
    return launch_.Reply(peer, &reply);
  }
  Result<std::optional<v1::CheckpointManifest>> manifest = collector_.Add(rank, parts);
  if (!manifest.ok()) {
    launch_.Fail(manifest.status().WithContext(EnumWord(options_.stage)));
    return Ok();
  }
  if (!*manifest) return Ok();
  options_.publisher->Add(**manifest);
  return Publish();
}

Status GangProtocol::OnShrinkRequest(const std::string& peer, std::uint32_t rank, const v1::ShrinkRequest& request) {
  const auto [answer, is_new] = shrink_answers_.try_emplace({rank, request.request()}, 0);
  if (is_new) {
    const Result<std::uint64_t> granted = Shrink(rank, request);
    if (granted.ok()) {
      answer->second = *granted;
    } else {
      LogWarn("{}: survivors may not go on: {}", EnumWord(options_.stage), granted.status().message());
    }
  }
  v1::Envelope reply;
  reply.mutable_shrink_reply()->set_request(request.request());
  reply.mutable_shrink_reply()->set_generation(answer->second);
  return launch_.Reply(peer, &reply);
}

Result<std::uint64_t> GangProtocol::Shrink(std::uint32_t rank, const v1::ShrinkRequest& request) {
  const std::set<std::uint32_t> survivors(request.survivors().begin(), request.survivors().end());
  STILL_RETURN_IF_ERROR(launch_.membership().CheckSurvivors(rank, survivors));
  if (launch_.Ending()) return Error(Code::kAborted, "the launch ends");
  launch_.sightings().RecordStep(request.step());
  const std::vector<std::uint32_t> dead = launch_.membership().LeftBehind(survivors);
  v1::Death death = launch_.sightings().DeathOf(dead, request.step());
  if (dead.empty()) death.set_cause(v1::DEATH_CAUSE_PEER_LOST);
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, launch_.Reconfigure(survivors, death));
  for (const std::uint32_t gone : dead) {
    part_writers_.erase(gone);
    RecordStorageTrouble(RankSource(gone), "");
  }
  return generation;
}

Status GangProtocol::OnTick() {
  if (publish_tried_ && clock_.Now() - *publish_tried_ < options_.publish_retry) return Ok();
  return Publish();
}

Status GangProtocol::Finish() { return Publish(); }

// Publishes what waits, and tells every rank that had a share when that succeeds.
Status GangProtocol::Publish() {
  if (options_.publisher == nullptr || !options_.publisher->waiting()) return Ok();
  publish_tried_ = clock_.Now();
  const std::vector<std::uint64_t> steps = options_.publisher->PublishWaiting();
  RecordStorageTrouble("journal", options_.publisher->trouble().message());
  if (steps.empty()) return Ok();
  published_step_ = std::max(published_step_.value_or(0), steps.back());
  for (const auto& [rank, peer] : part_writers_) {
    v1::Envelope published;
    published.mutable_checkpoint_published()->set_step(*published_step_);
    STILL_RETURN_IF_ERROR(launch_.Reply(peer, &published));
  }
  return Ok();
}

// Trouble is reported when the first source has it and when the last one has it no more.
void GangProtocol::RecordStorageTrouble(const std::string& source, const std::string& trouble) {
  const bool before = !storage_troubles_.empty();
  if (trouble.empty()) {
    storage_troubles_.erase(source);
  } else {
    storage_troubles_[source] = trouble;
  }
  if (before != storage_troubles_.empty()) return;
  options_.on_storage_trouble(trouble.empty() ? "" : fmt::format("{}: {}", source, trouble));
}

}  // namespace still::coordinator
