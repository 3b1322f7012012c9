// The inputs that a corpus is made from, and the identity that they and its configuration give it.
#pragma once

#include <memory>
#include <string>

#include "common/digest.h"
#include "common/proto/config.pb.h"
#include "common/status.h"

namespace still::shards {

namespace v1 = stillhouse::v1;

// INVALID_ARGUMENT when a key is wrong; the message says which. CheckPipelineConfig is stricter, but a task from
// another program may not have passed it.
Status CheckCorpusConfig(const v1::CorpusConfig& config);

class Tokenizer;

// The inputs as this host reads them.
struct CorpusInputs {
  // Every byte of the corpus follows from these lines: the configuration, the SHA-256 of each input, and the version of
  // the code.
  IdentityBuilder identity{"corpus"};
  std::shared_ptr<const Tokenizer> tokenizer;
};
// Reads every byte of the inputs.
Result<CorpusInputs> ReadCorpusInputs(const v1::CorpusConfig& config);
// Like the above, but INVALID_ARGUMENT when the inputs are not those of the corpus with this digest.
Result<CorpusInputs> ReadCorpusInputs(const v1::CorpusConfig& config, const std::string& digest);

}  // namespace still::shards
