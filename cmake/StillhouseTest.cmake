# still_test(<name> SOURCES a_test.cc ... LIBRARIES stillhouse::x ... [LABEL unit])
# One GoogleTest binary, its cases discovered one by one. Labels: unit device sim integration mpi hf gpu slow.
include(GoogleTest)

function(still_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -O1)  # what is tested is optimised; the tests compile in half the time
  if(STILLHOUSE_SANITIZER)  # and instrumented ones in a third without
    set_source_files_properties(${ARG_SOURCES} PROPERTIES COMPILE_OPTIONS -O0)
  endif()
  target_link_libraries(${name} PRIVATE stillhouse::options ${ARG_LIBRARIES} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
