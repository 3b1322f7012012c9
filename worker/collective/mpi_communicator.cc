#include "worker/collective/mpi_communicator.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#if STILL_MPI_HAS_ULFM
#include <mpi-ext.h>
#endif

namespace still::worker {
namespace {

// Counts of MPI calls are ints; 2^27 elements are 1 GiB.
constexpr std::size_t kChunkElements = std::size_t{1} << 27;
constexpr int kShrinkTries = 3;  // deaths during a recovery; after that a new launch is the surer way

Status MpiStatus(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return Ok();
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return Error(Code::kUnavailable, "{} failed: {}; a peer is probably gone", call,
               std::string_view(text.data(), static_cast<std::size_t>(length)));
}

int FindHostPlace(MPI_Comm comm, HostPlace* place) {
  MPI_Comm host = MPI_COMM_NULL;
  const int code = MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  if (code != MPI_SUCCESS) return code;
  MPI_Comm_rank(host, &place->index);
  MPI_Comm_size(host, &place->count);
  return MPI_Comm_free(&host);
}

// Owns a duplicate of MPI_COMM_WORLD, so that no other traffic meets ours. After a Shrink it owns the survivors' one.
//
// Under ULFM a failed collective call may leave some ranks inside it. A rank that sees the failure revokes, so that the
// others see one, too, and come to the vote. The vote is MPIX_Comm_agree, whose result is uniform whichever rank dies.
class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm comm, bool survive_deaths) : comm_(comm), survive_deaths_(survive_deaths) {
    MPI_Comm_rank(comm_, &launch_rank_);
    NoteMembers();
  }
  ~MpiCommunicator() override {
    if (!shrunk_) MPI_Comm_free(&comm_);
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int launch_rank() const override { return launch_rank_; }
  HostPlace host_place() const override { return host_place_; }
  bool shrunk() const { return shrunk_; }

  Status AllReduceSum(std::span<std::int64_t> values) override { return InPlace(values, MPI_INT64_T); }
  Status AllReduceSum(std::span<float> values) override { return InPlace(values, MPI_FLOAT); }
  Status AllReduceSum(std::span<const std::int64_t> in, std::span<std::int64_t> out) override {
    STILL_CHECK(in.size() == out.size(), "a place for every sum");
    for (std::size_t at = 0; at < in.size(); at += kChunkElements) {
      const auto count = static_cast<int>(std::min(kChunkElements, in.size() - at));
      STILL_RETURN_IF_ERROR(
          Check(MPI_Allreduce(in.data() + at, out.data() + at, count, MPI_INT64_T, MPI_SUM, comm_), "MPI_Allreduce"));
    }
    return Ok();
  }

  Result<bool> Vote(bool ok) override {
#if STILL_MPI_HAS_ULFM
    if (survive_deaths_) return Agree(ok);
#endif
    int all = ok ? 1 : 0;
    STILL_RETURN_IF_ERROR(Check(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm_), "MPI_Allreduce"));
    return all == 1;
  }

  Status Broadcast(std::string* bytes, int root) override {
    std::uint64_t size = bytes->size();
    STILL_RETURN_IF_ERROR(Check(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm_), "MPI_Bcast"));
    bytes->resize(size);
    return Broadcast(std::as_writable_bytes(std::span(*bytes)), root);
  }
  Status Broadcast(std::span<std::byte> bytes, int root) override {
    for (std::size_t at = 0; at < bytes.size(); at += kChunkElements) {
      const auto count = static_cast<int>(std::min(kChunkElements, bytes.size() - at));
      STILL_RETURN_IF_ERROR(Check(MPI_Bcast(bytes.data() + at, count, MPI_BYTE, root, comm_), "MPI_Bcast"));
    }
    return Ok();
  }

  Status Barrier() override { return Check(MPI_Barrier(comm_), "MPI_Barrier"); }

  bool can_shrink() const override { return survive_deaths_; }
#if STILL_MPI_HAS_ULFM
  Status Shrink() override {
    if (!survive_deaths_) return Communicator::Shrink();
    for (int attempt = 0; attempt < kShrinkTries; ++attempt) {
      MPIX_Comm_revoke(comm_);
      MPI_Comm survivors = MPI_COMM_NULL;
      STILL_RETURN_IF_ERROR(MpiStatus(MPIX_Comm_shrink(comm_, &survivors), "MPIX_Comm_shrink"));
      // The old communicator is not freed, because that may wait for the dead.
      comm_ = survivors;
      shrunk_ = true;
      broken_ = false;
      MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
      NoteMembers();
      if (Agree(true).ok()) return Ok();  // another one died meanwhile: once more
    }
    return Error(Code::kUnavailable, "ranks died during {} recoveries in a row", kShrinkTries);
  }
#endif

 private:
#if STILL_MPI_HAS_ULFM
  Result<bool> Agree(bool ok) {
    constexpr int kSaysYes = 1;
    constexpr int kGroupIsWhole = 2;
    int flags = (ok ? kSaysYes : 0) | (broken_ ? 0 : kGroupIsWhole);  // and-ed over the ranks
    STILL_RETURN_IF_ERROR(Check(MPIX_Comm_agree(comm_, &flags), "MPIX_Comm_agree"));
    if ((flags & kGroupIsWhole) != 0) return (flags & kSaysYes) != 0;
    broken_ = true;
    return Error(Code::kUnavailable, "a collective call failed on some rank; a peer is probably gone");
  }
#endif

  template <typename T>
  Status InPlace(std::span<T> values, MPI_Datatype type) {
    for (std::size_t at = 0; at < values.size(); at += kChunkElements) {
      const auto count = static_cast<int>(std::min(kChunkElements, values.size() - at));
      STILL_RETURN_IF_ERROR(
          Check(MPI_Allreduce(MPI_IN_PLACE, values.data() + at, count, type, MPI_SUM, comm_), "MPI_Allreduce"));
    }
    return Ok();
  }

  Status Check(int code, std::string_view call) {
    if (code == MPI_SUCCESS) return Ok();
    const Status failed = MpiStatus(code, call);
#if STILL_MPI_HAS_ULFM
    if (survive_deaths_ && !broken_) MPIX_Comm_revoke(comm_);
#endif
    broken_ = true;
    return failed;
  }

  void NoteMembers() {
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
    // This call is collective. Its failure shows at the next vote, like that of any other call.
    static_cast<void>(Check(FindHostPlace(comm_, &host_place_), "MPI_Comm_split_type"));
  }

  MPI_Comm comm_;
  const bool survive_deaths_;
  bool broken_ = false;  // a call failed since the last Shrink
  bool shrunk_ = false;
  int launch_rank_ = 0;
  int rank_ = 0;
  int size_ = 0;
  HostPlace host_place_;
};

class OpenMpi final : public MpiEnvironment {
 public:
  OpenMpi(MPI_Comm comm, bool survive_deaths) : world_(std::make_unique<MpiCommunicator>(comm, survive_deaths)) {}
  ~OpenMpi() override {
    const bool shrunk = world_->shrunk();
    world_.reset();
    if (!shrunk) MPI_Finalize();
  }
  OpenMpi(const OpenMpi&) = delete;
  OpenMpi& operator=(const OpenMpi&) = delete;

  Communicator& world() override { return *world_; }

 private:
  std::unique_ptr<MpiCommunicator> world_;
};

}  // namespace

Result<std::unique_ptr<MpiEnvironment>> MpiEnvironment::Initialise(int* argc, char*** argv, bool survive_deaths) {
  if (survive_deaths && !STILL_MPI_HAS_ULFM)
    return Error(Code::kInvalidArgument,
                 "recovery inplace needs an Open MPI with ULFM (5.0); set recovery.mode to auto");
  int provided = 0;
  STILL_RETURN_IF_ERROR(MpiStatus(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
  if (provided < MPI_THREAD_FUNNELED) {
    MPI_Finalize();
    return Error(Code::kInternal, "this MPI library offers no MPI_THREAD_FUNNELED; build with Open MPI 4.1 or newer");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);  // inherited by duplicates
  MPI_Comm comm = MPI_COMM_NULL;
  STILL_RETURN_IF_ERROR(MpiStatus(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup"));
  return std::unique_ptr<MpiEnvironment>(std::make_unique<OpenMpi>(comm, survive_deaths));
}

}  // namespace still::worker
