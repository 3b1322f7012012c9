// Included before all else where protobuf's headers are, under ThreadSanitizer: they add members to their map fields
// when they see its macro, and the distribution's libprotobuf, built without, has objects of another layout.
#pragma once

#include <version>  // the standard library has seen the macro by now, and keeps to it

#undef __SANITIZE_THREAD__
