// A rank, or its guardian, as a launch server sees it. It sends what a test wants over real sockets.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/storage/checkpoint.h"

namespace still::testing {

class FakeRank {
 public:
  using Envelope = v1::Envelope;

  FakeRank(const std::string& endpoint, std::uint64_t generation, std::uint32_t rank,
           const std::optional<RpcClientKeys>& keys = {})
      : client_(RpcClient::Connect(endpoint, fmt::format("{}.{}.{}", generation, rank, ++connections_), keys).value()),
        generation_(generation),
        rank_(rank) {}

  void Say(Envelope envelope) {
    envelope.set_generation(generation_);
    envelope.set_rank(rank_);
    ASSERT_TRUE(client_->Send(envelope.SerializeAsString()).ok());
  }
  // Blocks until the next message to this rank, and returns it.
  Envelope Answer() {
    Envelope answer;
    const auto payload = client_->Receive(std::chrono::seconds(20));
    EXPECT_TRUE(payload.ok() && payload->has_value() && answer.ParseFromString(**payload)) << "no answer";
    return answer;
  }

  void SayResult(Code code, const std::string& message = "") {
    Envelope envelope;
    envelope.mutable_stage_result()->set_code(CodeOnWire(code));
    envelope.mutable_stage_result()->set_message(message);
    Say(envelope);
  }
  void SayProgress(std::uint64_t done, std::uint64_t total, std::uint64_t lease = 0) {
    Envelope envelope;
    envelope.mutable_progress()->set_lease(lease);
    envelope.mutable_progress()->set_done(done);
    envelope.mutable_progress()->set_total(total);
    Say(envelope);
  }
  // Reports the shard of `grant` as done.
  void SayDone(const v1::LeaseGrant& grant, const std::string& digest, std::uint64_t units = 0) {
    Envelope envelope;
    envelope.mutable_shard_done()->set_round(grant.round());
    envelope.mutable_shard_done()->set_shard(grant.shard());
    envelope.mutable_shard_done()->set_digest(digest);
    envelope.mutable_shard_done()->set_lease(grant.lease());
    envelope.mutable_shard_done()->set_units(units);
    envelope.mutable_shard_done()->set_tokens(10 * units);
    Say(envelope);
  }
  void SayKilled(v1::DeathCause cause, v1::Phase phase, std::uint64_t step) {
    Envelope envelope;
    envelope.mutable_rank_killed()->set_cause(cause);
    envelope.mutable_rank_killed()->set_phase(phase);
    envelope.mutable_rank_killed()->set_step(step);
    Say(envelope);
  }
  void SayStorageTrouble(const std::string& message) {
    Envelope envelope;
    envelope.mutable_storage_trouble()->set_message(message);
    Say(envelope);
  }
  // Reports this rank's share of a checkpoint of two parts: the parts `indices`.
  void SayParts(const v1::CheckpointInfo& info, std::initializer_list<std::size_t> indices, std::uint32_t ranks,
                const std::string& state_digest = "same") {
    Envelope envelope;
    auto& written = *envelope.mutable_parts_written();
    *written.mutable_info() = info;
    written.set_total_parts(2);
    written.set_ranks(ranks);
    written.set_state_digest(state_digest);
    for (const std::size_t index : indices) {
      auto& part = *written.add_parts();
      part.set_file(PartFile(index));
      part.set_size(10 + index);
      part.set_sha256("digest");
    }
    Say(envelope);
  }
  // Sends a heartbeat and returns the answer. Messages that were sent before it have been handled then.
  Envelope Beat(v1::Phase phase = v1::PHASE_COMPUTE, std::uint64_t step = 0) {
    Envelope envelope;
    envelope.mutable_heartbeat()->set_phase(phase);
    envelope.mutable_heartbeat()->set_step(step);
    Say(envelope);
    return Answer();
  }
  Envelope AskShard(std::uint64_t request) {
    Envelope envelope;
    envelope.mutable_lease_request()->set_request(request);
    Say(envelope);
    return Answer();
  }
  // Asks for a lease under the next request number.
  v1::LeaseGrant NextShard() { return AskShard(++request_).lease_grant(); }
  Envelope AskShrink(std::uint64_t request, std::uint64_t step, const std::vector<std::uint32_t>& survivors) {
    Envelope envelope;
    auto& shrink = *envelope.mutable_shrink_request();
    shrink.set_request(request);
    shrink.set_step(step);
    for (const std::uint32_t rank : survivors) shrink.add_survivors(rank);
    Say(envelope);
    return Answer();
  }

 private:
  static inline std::atomic<int> connections_ = 0;
  std::unique_ptr<RpcClient> client_;
  std::uint64_t generation_;
  std::uint32_t rank_;
  std::uint64_t request_ = 0;
};

}  // namespace still::testing
