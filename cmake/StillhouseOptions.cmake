# Warnings, sanitizers and the compiler launcher: what every target of ours is built with, as one interface target.
add_library(stillhouse_options INTERFACE)
add_library(stillhouse::options ALIAS stillhouse_options)

target_include_directories(stillhouse_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(stillhouse_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wnull-dereference
  -Wno-missing-field-initializers)
# GCC 12 sees overflows in correct std::string code at -O2 and null pointers in inlined shared_ptr code.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(stillhouse_options INTERFACE
    -Wno-null-dereference -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()

if(STILLHOUSE_SANITIZER)
  # -O1: complete stacks, and half of the time that an instrumented build takes.
  target_compile_options(stillhouse_options INTERFACE -fsanitize=${STILLHOUSE_SANITIZER}
    -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
  target_link_options(stillhouse_options INTERFACE -fsanitize=${STILLHOUSE_SANITIZER})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# Line tables and function names are what a stack trace needs; full debug information doubles the time of a build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
