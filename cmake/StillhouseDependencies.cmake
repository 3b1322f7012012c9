# Every third-party package, found once. Debian's packages, but LibTorch and Open MPI, which come from the project's
# virtual environment (scripts/setup.sh) unless CMAKE_PREFIX_PATH or MPI_CXX_COMPILER names others.
include(CheckCXXSourceCompiles)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(RocksDB REQUIRED)
find_package(cppzmq REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(BZip2 REQUIRED)
find_package(EXPAT REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
# Debian's cpp-httplib has no package file of CMake's; its compile flags must be those it was built with.
find_package(PkgConfig REQUIRED)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
if(STILLHOUSE_TESTS)
  find_package(GTest REQUIRED)
endif()

if(STILLHOUSE_WORKER)
  file(GLOB STILLHOUSE_SITE_PACKAGES ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages)

  # LibTorch as one imported target of ours: torch's own package file demands a CUDA toolkit for a CUDA wheel, even to
  # build for the CPU.
  find_path(TORCH_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include torch/include HINTS ${STILLHOUSE_SITE_PACKAGES})
  find_library(TORCH_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib torch/lib HINTS ${STILLHOUSE_SITE_PACKAGES})
  find_library(C10_LIBRARY c10 PATH_SUFFIXES lib torch/lib HINTS ${STILLHOUSE_SITE_PACKAGES})
  if(NOT TORCH_INCLUDE_DIR OR NOT TORCH_CPU_LIBRARY OR NOT C10_LIBRARY)
    message(FATAL_ERROR "LibTorch not found. Run scripts/setup.sh, or set CMAKE_PREFIX_PATH to a LibTorch, or build "
                        "without the worker: -DSTILLHOUSE_WORKER=OFF")
  endif()
  get_filename_component(TORCH_LIBRARY_DIR ${TORCH_CPU_LIBRARY} DIRECTORY)
  add_library(stillhouse_torch INTERFACE)
  add_library(stillhouse::torch ALIAS stillhouse_torch)
  # The wheel brings the headers of another fmt and of another protobuf than the distribution's libraries: the
  # distribution's are found first.
  get_target_property(fmt_include_dir fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/first_include)
  file(CREATE_LINK ${fmt_include_dir}/fmt ${PROJECT_BINARY_DIR}/first_include/fmt SYMBOLIC)
  file(CREATE_LINK ${Protobuf_INCLUDE_DIRS}/google ${PROJECT_BINARY_DIR}/first_include/google SYMBOLIC)
  target_include_directories(stillhouse_torch SYSTEM INTERFACE ${PROJECT_BINARY_DIR}/first_include
    ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
  target_link_libraries(stillhouse_torch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
  if(STILLHOUSE_CUDA)
    find_library(TORCH_CUDA_LIBRARY torch_cuda HINTS ${TORCH_LIBRARY_DIR} REQUIRED)
    find_library(C10_CUDA_LIBRARY c10_cuda HINTS ${TORCH_LIBRARY_DIR} REQUIRED)
    # Kernels register themselves when the library is loaded: nothing refers to it by name.
    target_link_libraries(stillhouse_torch INTERFACE
      -Wl,--push-state,--no-as-needed ${TORCH_CUDA_LIBRARY} -Wl,--pop-state ${C10_CUDA_LIBRARY})
  endif()
  # The wheel's CPU library asks for libcudart and libcupti, which it finds by its own run path.
  target_link_options(stillhouse_torch INTERFACE -Wl,-rpath,${TORCH_LIBRARY_DIR} -Wl,--allow-shlib-undefined)

  if(NOT MPI_CXX_COMPILER AND EXISTS ${PROJECT_SOURCE_DIR}/.venv/bin/mpicxx)
    set(MPI_CXX_COMPILER ${PROJECT_SOURCE_DIR}/.venv/bin/mpicxx CACHE FILEPATH "")
    set(MPIEXEC_EXECUTABLE ${PROJECT_SOURCE_DIR}/.venv/bin/mpirun CACHE FILEPATH "")
  endif()
  find_package(MPI REQUIRED COMPONENTS CXX)

  # Whether survivors of a dead rank can go on without it: User-Level Failure Mitigation, in Open MPI from 5.0.
  set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_CXX)
  check_cxx_source_compiles("
    #include <mpi.h>
    #include <mpi-ext.h>
    int main() {
      MPI_Comm survivors = MPI_COMM_NULL;
      return MPIX_Comm_shrink(MPI_COMM_WORLD, &survivors);
    }" STILLHOUSE_MPI_ULFM)
  unset(CMAKE_REQUIRED_LIBRARIES)

  # NCCL, for sums on GPUs: a toolkit and NCCL of the system, else NCCL's wheel in the virtual environment.
  find_package(CUDAToolkit QUIET)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ${STILLHOUSE_SITE_PACKAGES}
    PATH_SUFFIXES nvidia/nccl/include)
  find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${CUDAToolkit_LIBRARY_DIR} PATHS ${STILLHOUSE_SITE_PACKAGES}
    PATH_SUFFIXES nvidia/nccl/lib)
  mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)
  set(STILLHOUSE_NCCL OFF)
  if(CUDAToolkit_FOUND AND NCCL_INCLUDE_DIR AND NCCL_LIBRARY)
    set(STILLHOUSE_NCCL ON)
    message(STATUS "NCCL: ${NCCL_LIBRARY} with CUDA ${CUDAToolkit_VERSION}")
  else()
    message(STATUS "NCCL: not built, no CUDA toolkit with NCCL was found (optional)")
  endif()
endif()
if(STILLHOUSE_MPI_ULFM)
  set(STILL_MPI_HAS_ULFM 1)  # the compile definition of those who ask
else()
  set(STILL_MPI_HAS_ULFM 0)
endif()
