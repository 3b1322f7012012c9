#include "coordinator/launch/gang_protocol.h"

#include <algorithm>
#include <set>
#include <vector>

#include "common/log.h"

namespace still::coordinator {

Result<bool> GangProtocol::OnMessage(const std::string& peer, const v1::Envelope& envelope) {
  switch (envelope.body_case()) {
    case v1::Envelope::kProgress: OnProgress(envelope.progress()); return true;
    case v1::Envelope::kPartsWritten:
      STILL_RETURN_IF_ERROR(OnPartsWritten(peer, envelope.rank(), envelope.parts_written()));
      return true;
    case v1::Envelope::kShrinkRequest:
      STILL_RETURN_IF_ERROR(OnShrinkRequest(peer, envelope.rank(), envelope.shrink_request()));
      return true;
    default: return false;
  }
}

void GangProtocol::OnProgress(const v1::Progress& progress) {
  launch_.sightings.Reached(progress.done());
  launch_.options.on_progress(progress);
}

Status GangProtocol::OnPartsWritten(const std::string& peer, std::uint32_t rank, const v1::PartsWritten& parts) {
  if (launch_.options.publisher == nullptr) {
    LogWarn("{}: rank {} wrote a checkpoint, but this stage keeps none", launch_.options.stage, rank);
    return Ok();
  }
  part_writers_[rank] = peer;
  const Result<WrittenShare> share = ReadShare(rank, parts);
  if (!share.ok()) {
    launch_.Fail(share.status().WithContext(launch_.options.stage));
    return Ok();
  }
  launch_.sightings.Reached(share->info.step);
  if (published_step_ && share->info.step <= *published_step_) {  // a repeated report
    v1::Envelope reply;
    reply.mutable_checkpoint_published()->set_step(*published_step_);
    return launch_.Reply(peer, &reply);
  }
  Result<std::optional<CheckpointManifest>> manifest = collector_.Add(*share);
  if (!manifest.ok()) {
    launch_.Fail(manifest.status().WithContext(launch_.options.stage));
    return Ok();
  }
  if (!*manifest) return Ok();
  launch_.options.publisher->Add(**manifest);
  return Flush();
}

Status GangProtocol::OnShrinkRequest(const std::string& peer, std::uint32_t rank, const v1::ShrinkRequest& request) {
  std::optional<std::uint64_t> answer = launch_.membership.Answered(rank, request.request());
  if (!answer) {
    const Result<std::uint64_t> granted = Shrink(rank, request);
    if (!granted.ok()) LogWarn("{}: survivors may not continue: {}", launch_.options.stage, granted.status().message());
    answer = granted.ok() ? *granted : 0;
    launch_.membership.RecordAnswer(rank, request.request(), *answer);
  }
  v1::Envelope reply;
  reply.mutable_shrink_reply()->set_request(request.request());
  reply.mutable_shrink_reply()->set_generation(*answer);
  return launch_.Reply(peer, &reply);
}

Result<std::uint64_t> GangProtocol::Shrink(std::uint32_t rank, const v1::ShrinkRequest& request) {
  const std::set<std::uint32_t> survivors(request.survivors().begin(), request.survivors().end());
  STILL_RETURN_IF_ERROR(launch_.membership.Check(rank, survivors));
  if (launch_.Ending() || !launch_.options.on_shrink) return Error(Code::kAborted, "the launch ends");
  launch_.sightings.Reached(request.step());
  const std::vector<std::uint32_t> dead = launch_.membership.LeftBehind(survivors);
  v1::Death death = launch_.sightings.DeathOf(dead, request.step());
  if (dead.empty()) death.set_cause(v1::DEATH_CAUSE_PEER_LOST);
  STILL_ASSIGN_OR_RETURN(const std::uint64_t generation, launch_.Reconfigure(survivors, dead, death, ""));
  for (const std::uint32_t gone : dead) part_writers_.erase(gone);
  return generation;
}

Status GangProtocol::Tick(Clock::TimePoint now) {
  if (publish_tried_ && now - *publish_tried_ < launch_.options.publish_retry) return Ok();
  return Publish();
}

Status GangProtocol::Flush() { return Publish(); }

// Tells every rank that had a share when something was published.
Status GangProtocol::Publish() {
  CheckpointPublisher* const publisher = launch_.options.publisher;
  if (publisher == nullptr || !publisher->waiting()) return Ok();
  publish_tried_ = launch_.clock.Now();
  const std::vector<std::uint64_t> steps = publisher->PublishWaiting();
  launch_.RecordStorageTrouble("journal", publisher->trouble().message());
  if (steps.empty()) return Ok();
  published_step_ = std::max(published_step_.value_or(0), steps.back());
  for (const auto& [rank, peer] : part_writers_) {
    v1::Envelope published;
    published.mutable_checkpoint_published()->set_step(*published_step_);
    STILL_RETURN_IF_ERROR(launch_.Reply(peer, &published));
  }
  return Ok();
}

}  // namespace still::coordinator
