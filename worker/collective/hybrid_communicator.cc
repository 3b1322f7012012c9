#include "worker/collective/hybrid_communicator.h"

#include <algorithm>
#include <utility>

#include "worker/collective/agree.h"

namespace still::worker {
namespace {

constexpr int kShrinkTries = 3;  // deaths or failures during a recovery; after that a new launch is the surer way

class HybridCommunicator final : public Communicator {
 public:
  HybridCommunicator(Communicator& control, std::unique_ptr<SumTransport> transport, const HybridOptions& options)
      : control_(control), transport_(std::move(transport)), options_(options) {}
  ~HybridCommunicator() override { Leave(); }
  HybridCommunicator(const HybridCommunicator&) = delete;
  HybridCommunicator& operator=(const HybridCommunicator&) = delete;

  int rank() const override { return control_.rank(); }
  int size() const override { return control_.size(); }
  int launch_rank() const override { return control_.launch_rank(); }
  HostPlace host_place() const override { return control_.host_place(); }

  Status AllReduceSum(std::span<std::int64_t> values) override {
    return IsLarge(values) ? Sum<std::int64_t>(values, values) : control_.AllReduceSum(values);
  }
  Status AllReduceSum(std::span<float> values) override {
    return IsLarge(values) ? Sum<float>(values, values) : control_.AllReduceSum(values);
  }
  Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override {
    STILL_CHECK(in.size() == out.size(), "a place for every sum");
    return IsLarge(out) ? Sum(in, out) : control_.AllReduceSum(in, out);
  }

  // This is nearly always one vote of `control`. Only after a no does a second vote tell whether a rank meant no, or
  // whether its group is broken.
  Result<bool> Vote(bool ok) override {
    const Result<bool> all = control_.Vote(ok && joined_);
    if (all.ok() && *all) return true;
    const Result<bool> whole = all.ok() ? control_.Vote(joined_) : all;
    if (whole.ok() && *whole) return false;
    Leave();  // all ranks alike
    if (!whole.ok()) return whole.status();
    return Error(Code::kUnavailable, "a sum failed on some rank, and every rank has left its group");
  }

  Status Broadcast(std::string* bytes, int root) override { return control_.Broadcast(bytes, root); }
  Status Broadcast(std::span<std::byte> bytes, int root) override { return control_.Broadcast(bytes, root); }
  Status Barrier() override { return control_.Barrier(); }

  bool can_shrink() const override { return control_.can_shrink(); }
  Status Shrink() override {
    Status joined;
    for (int attempt = 0; attempt < kShrinkTries; ++attempt) {
      Leave();
      STILL_RETURN_IF_ERROR(control_.Shrink());
      joined = Join();
      if (joined.ok()) return Ok();  // for all or for none: all try again
    }
    return Error(Code::kUnavailable, "{} attempts to form a group of the survivors failed; the last: {}", kShrinkTries,
                 joined.message());
  }

  // Collective over `control`. Ok on all ranks or on none.
  Status Join() {
    std::string id;
    Status mine = ShareId(&id);
    if (mine.ok()) mine = transport_->Join(id, rank(), size());
    const Status agreed = Agree(control_, mine);
    joined_ = agreed.ok();
    if (!joined_) Leave();
    return agreed;
  }

 private:
  // An empty id means that rank 0 has none.
  Status ShareId(std::string* id) {
    Status made;
    if (rank() == 0) {
      Result<std::string> fresh = transport_->MakeId();
      if (fresh.ok()) {
        *id = *std::move(fresh);
      } else {
        made = fresh.status();
      }
    }
    STILL_RETURN_IF_ERROR(control_.Broadcast(id, 0));
    STILL_RETURN_IF_ERROR(made);
    if (id->empty()) return Error(Code::kUnavailable, "rank 0 named no group to join");
    return Ok();
  }

  template <typename T>
  bool IsLarge(std::span<T> values) const {
    return values.size_bytes() >= std::max(options_.smallest_bytes, sizeof(T));
  }

  template <typename T>
  Status Sum(std::span<const T> in, std::span<T> out) {
    if (!joined_)
      return Error(Code::kUnavailable, "rank {} has left its group after a failure and joined no other", rank());
    const Status summed = transport_->Sum(in, out);
    if (!summed.ok()) Leave();
    return summed;
  }

  void Leave() {
    transport_->Leave();
    joined_ = false;
  }

  Communicator& control_;
  const std::unique_ptr<SumTransport> transport_;
  const HybridOptions options_;
  bool joined_ = false;
};

}  // namespace

Result<std::unique_ptr<Communicator>> ConnectHybrid(Communicator& control, std::unique_ptr<SumTransport> transport,
                                                    const HybridOptions& options) {
  auto hybrid = std::make_unique<HybridCommunicator>(control, std::move(transport), options);
  STILL_RETURN_IF_ERROR(hybrid->Join());
  return std::unique_ptr<Communicator>(std::move(hybrid));
}

}  // namespace still::worker
