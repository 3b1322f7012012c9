// A small model none of whose parameters is special: what a mix-up of names, shapes or order cannot leave unchanged.
#pragma once

#include <cstdint>

#include "common/random.h"
#include "worker/model/parameters.h"

namespace still::worker {

inline constexpr ModelShape kSmallShape{
    .layers = 2, .hidden = 16, .heads = 4, .intermediate = 24, .vocabulary = 40, .positions = 20};

inline ParameterSet RandomModel(std::uint64_t key, const ModelShape& shape = kSmallShape) {
  ParameterSet model(shape, /*trainable=*/false);
  KeyedRandom random(key);
  auto* weights = model.weights().mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < model.weights().numel(); ++i) weights[i] = static_cast<float>(random.NextUnit() - 0.5);
  return model;
}

}  // namespace still::worker
