#include "worker/collective/mpi_communicator.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>

namespace still::worker {
namespace {

// Counts of MPI calls are ints; 2^27 elements are 1 GiB.
constexpr std::size_t kChunkElements = std::size_t{1} << 27;

Status MpiStatus(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return Ok();
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return Error(Code::kUnavailable, "{} failed: {}; a peer is probably gone, run the job again", call,
               std::string_view(text.data(), static_cast<std::size_t>(length)));
}

// Owns a duplicate of MPI_COMM_WORLD, so that nobody else's traffic meets ours.
class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(MPI_Comm comm) : comm_(comm) {
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
  }
  ~MpiCommunicator() override { MPI_Comm_free(&comm_); }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Status AllReduceSum(std::span<std::int64_t> values) override {
    while (!values.empty()) {
      const std::size_t count = std::min(values.size(), kChunkElements);
      STILL_RETURN_IF_ERROR(
          MpiStatus(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(count), MPI_INT64_T, MPI_SUM, comm_),
                    "MPI_Allreduce"));
      values = values.subspan(count);
    }
    return Ok();
  }

  Result<bool> Vote(bool ok) override {
    int all = ok ? 1 : 0;
    STILL_RETURN_IF_ERROR(MpiStatus(MPI_Allreduce(MPI_IN_PLACE, &all, 1, MPI_INT, MPI_MIN, comm_), "MPI_Allreduce"));
    return all == 1;
  }

  Status Broadcast(std::string* bytes, int root) override {
    std::uint64_t size = bytes->size();
    STILL_RETURN_IF_ERROR(MpiStatus(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm_), "MPI_Bcast"));
    bytes->resize(size);
    for (std::size_t at = 0; at < size; at += kChunkElements) {
      const auto count = static_cast<int>(std::min(kChunkElements, size - at));
      STILL_RETURN_IF_ERROR(MpiStatus(MPI_Bcast(bytes->data() + at, count, MPI_BYTE, root, comm_), "MPI_Bcast"));
    }
    return Ok();
  }

  Status Barrier() override { return MpiStatus(MPI_Barrier(comm_), "MPI_Barrier"); }

 private:
  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 0;
};

class OpenMpi final : public MpiEnvironment {
 public:
  explicit OpenMpi(MPI_Comm comm) : world_(std::make_unique<MpiCommunicator>(comm)) {}
  ~OpenMpi() override {
    world_.reset();
    MPI_Finalize();
  }
  OpenMpi(const OpenMpi&) = delete;
  OpenMpi& operator=(const OpenMpi&) = delete;

  Communicator& world() override { return *world_; }
  [[noreturn]] void Abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  std::unique_ptr<MpiCommunicator> world_;
};

}  // namespace

Result<std::unique_ptr<MpiEnvironment>> MpiEnvironment::Initialise(int* argc, char*** argv) {
  int provided = 0;
  STILL_RETURN_IF_ERROR(MpiStatus(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
  if (provided < MPI_THREAD_FUNNELED) {
    MPI_Finalize();
    return Error(Code::kInternal, "this MPI library offers no MPI_THREAD_FUNNELED; build with Open MPI 4.1 or newer");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);  // inherited by duplicates
  MPI_Comm comm = MPI_COMM_NULL;
  STILL_RETURN_IF_ERROR(MpiStatus(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup"));
  return std::unique_ptr<MpiEnvironment>(std::make_unique<OpenMpi>(comm));
}

}  // namespace still::worker
