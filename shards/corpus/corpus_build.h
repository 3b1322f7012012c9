// A corpus in the making, by any number of processes on one file system, in three passes. The tasks of a pass need each
// other for nothing and may be done twice; a pass begins when the one before it is done.
//
//   tokenise  a piece of the input -> its documents: tokens, digests, lengths
//   deal      all pieces           -> duplicates dropped in input order, every sequence given its shard (one task)
//   copy      a shard              -> its sequences, from the pieces
//
//   <artifacts>/corpus/<digest>.pieces/piece-NNNNN, deal    what the first two passes made; removed by Commit
//   <artifacts>/corpus/<digest>.building/train-NNNNN ...    shards, one by one
//   <artifacts>/corpus/<digest>/                            the same directory, renamed when all are there
//
// The bytes do not depend on who did what. Safe to be killed at any instant: what stands under a final name is whole and
// is never made again. Stateless over the file system. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/artifact.h"
#include "common/status.h"
#include "shards/corpus/corpus_options.h"

namespace still::shards {

enum class CorpusPass { kTokenise, kDeal, kCopy };
inline constexpr int kCorpusPasses = 3;

struct CorpusProgress {       // of one task
  std::uint64_t input_bytes = 0;
  std::uint64_t documents = 0;
  std::uint64_t tokens = 0;
};

class CorpusBuild {
 public:
  static Result<CorpusBuild> Open(const CorpusOptions& options, const IdentityBuilder& identity,
                                  const ArtifactStore& artifacts);

  bool Committed() const;
  std::uint64_t input_bytes() const;
  // How many tasks the pass has. Of kCopy: NOT_FOUND until the deal is made.
  Result<std::uint32_t> Tasks(CorpusPass pass) const;
  // Bytes of input that the task reads, which is what progress counts; 0 but for kTokenise.
  std::uint64_t InputBytes(CorpusPass pass, std::uint32_t task) const;

  // The digest of the task's result, if it is made. NOT_FOUND when it is not.
  Result<std::string> MadeDigest(CorpusPass pass, std::uint32_t task) const;
  // Makes it and returns its digest. An error of `on_progress` ends it. DATA_LOSS when another process's result stands
  // by now and differs: whose is wrong, nobody knows; `*computed` is then the digest of this one's.
  Result<std::string> Make(CorpusPass pass, std::uint32_t task,
                           const std::function<Status(const CorpusProgress&)>& on_progress, std::string* computed);
  // Sets the task's result aside (".bad"), so that it is made anew; an artifact that holds it is one no more, but under
  // construction. Nothing there is success.
  Status Quarantine(CorpusPass pass, std::uint32_t task) const;

  // Checks that all is there, writes manifest, vocabulary, and `summary` with the counts added, renames, and removes the
  // pieces. May be called again after a crash, and by two processes at once; done already is success.
  Status Commit(Summary summary) const;
};

}  // namespace still::shards
