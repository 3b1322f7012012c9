// Inputs from which a plan can be made. They hold no real model.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "common/storage/files.h"
#include "common/storage/safetensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace still::testing {

// Writes the inputs and a configuration named tiny that ends with `more`. Returns the path of the configuration.
inline std::string CompletePipeline(const TempDirectory& directory, const std::string& more) {
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) vocabulary += fmt::format("{}\n##{}\n", c, c);
  EXPECT_OK(MakeDirectories(directory / "teacher"));
  EXPECT_OK(WriteFileAtomically(directory / "teacher/vocab.txt", vocabulary));
  EXPECT_OK(WriteFileAtomically(directory / "teacher/config.json",
                                R"({"model_type": "bert", "num_hidden_layers": 4, "max_position_embeddings": 128,
 "vocab_size": 57})"));
  const float value = 0;
  EXPECT_OK(WriteSafetensors(directory / "teacher/model.safetensors",
                             {{"x", "F32", {1}, std::as_bytes(std::span(&value, 1))}}, {}));
  EXPECT_OK(WriteFileAtomically(directory / "book.txt", "it was a dark and stormy night\n"));
  const std::string path = directory / "pipeline.yaml";
  EXPECT_OK(WriteFileAtomically(path, "name: tiny\nteacher: {path: teacher}\ncorpus: {books: [book.txt]}\n" + more));
  return path;
}

}  // namespace still::testing
