# SPDX-License-Identifier: Apache-2.0
# Rules every target of the project follows: C++20, warnings as errors, hidden visibility.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${DEEPTM_WERROR}>:-Werror>)
if(DEEPTM_SANITIZE)
  add_compile_options(-fsanitize=${DEEPTM_SANITIZE} -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${DEEPTM_SANITIZE})
endif()

# deeptm_module(NAME SOURCES... ) adds the static library deeptm_NAME whose headers are included as "NAME/header.h".
function(deeptm_module name)
  add_library(deeptm_${name} STATIC ${ARGN})
  target_include_directories(deeptm_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
endfunction()

# deeptm_test(NAME SOURCES... LIBS libs...) adds a GoogleTest program; every TEST in it is one ctest case.
include(GoogleTest)
function(deeptm_test name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest_main GTest::gmock)
  # Every test reads these, and would take most of its time for it. (The compiler cache knows nothing of other folders'
  # precompiled headers: the libraries, which packages and projects compile again, have none.)
  if(name STREQUAL tier_test)
    target_precompile_headers(${name} PRIVATE <functional> <map> <memory> <optional> <span> <string> <vector> <gmock/gmock.h> <gtest/gtest.h>)
  else()
    target_precompile_headers(${name} REUSE_FROM tier_test)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
