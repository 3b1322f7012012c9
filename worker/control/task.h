// The task of one launch (control.proto, WorkerTask), as a file that the agent writes and every rank reads.
#pragma once

#include <optional>
#include <string>

#include "common/enum_words.h"
#include "common/proto/control.pb.h"
#include "common/rpc/rpc.h"
#include "common/status.h"

namespace still::worker {

// Reads the task at `path`, which is JSON, and checks what the stages rely on. INVALID_ARGUMENT names the file and the
// field that makes no sense. NOT_FOUND when there is no such file.
Result<v1::WorkerTask> LoadTask(const std::string& path);

// Returns the keys to connect to the coordinator with. Returns none when its endpoint accepts anybody.
std::optional<RpcClientKeys> KeysOf(const v1::WorkerTask& task);

}  // namespace still::worker
