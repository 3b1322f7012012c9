// STILL_VECTOR_CLONES compiles a function for several instruction sets; the loader picks by CPU. Sanitizers cannot run
// the resolvers, which are called before their runtime is up.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define STILL_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define STILL_VECTOR_CLONES
#endif
