// Chooses the layers of the teacher that the student takes, and makes the student's initial weights.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/model/parameters.h"

namespace still::worker {

// Returns the indices of the teacher's layers that the student's layers are copied from, in order. Student layer i
// takes the teacher's layer i (L - 1) / (n - 1), rounded to the nearest, with halves rounded down. So the first and the
// last layer are always kept, and 6 of 12 layers are DistilBERT's: 0, 2, 4, 7, 9, 11.
std::vector<std::int64_t> StudentLayers(std::int64_t teacher_layers, std::int64_t student_layers);

// Returns a trainable student of `teacher` with `layers` layers. With `from_teacher`, embeddings, head and the layers
// named by StudentLayers are copied. Otherwise the weights are random, N(0, 0.02), keyed by `seed`.
ParameterSet InitialiseStudent(const ParameterSet& teacher, std::int64_t layers, bool from_teacher, std::uint64_t seed);

}  // namespace still::worker
